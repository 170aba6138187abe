/**
 * The OpenAPI document, made of the endpoints' own schemas by zod's JSON Schema (OpenAPI 3.1 takes it as it is). No other
 * library: what `@hono/zod-openapi` would add beside it is a second way to declare routes.
 */
import { z } from "zod";
import { ERROR_RULES } from "../../core/errors.ts";
import type { Access, Endpoint } from "./endpoint.ts";

type Json = Readonly<Record<string, unknown>>;

/** The document of the endpoints. */
export function openApiDocument(endpoints: readonly Endpoint[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const endpoint of endpoints) {
    paths[endpoint.path] ??= {};
    (paths[endpoint.path] as Record<string, Json>)[endpoint.method] = operation(endpoint);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Isopod admin API",
      version,
      description: "Everything that is deployed, and who may do what with it.",
    },
    security: [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: { bearer: { type: "http", scheme: "bearer" } },
      schemas: { Problem: PROBLEM },
    },
  };
}

function operation(endpoint: Endpoint): Json {
  const { id, summary, access, status, answer, answerType } = endpoint;
  const content =
    answer === undefined
      ? answerType && { [answerType]: { schema: { type: "string" } } }
      : { "application/json": { schema: schemaOf(answer, "output") } };
  return {
    operationId: id,
    summary,
    description: accessText(access),
    parameters: [...parameters(endpoint.params, "path"), ...parameters(endpoint.query ?? endpoint.ownQuery, "query")],
    ...(endpoint.body && { requestBody: requestBody(endpoint, endpoint.body) }),
    responses: {
      [status]: { description: summary, ...(content && { content }) },
      default: {
        description: "What went wrong",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
    "x-access": access === "anyone" || access === "server" ? access : access.scopes,
  };
}

function accessText(access: Access): string {
  if (access === "anyone") return "Takes the server's token or any key.";
  if (access === "server") return "Takes the server's token.";
  return `Takes the server's token, or a key of the project with the scope ${[...access.scopes, "admin"].join(" or ")}.`;
}

function requestBody({ bodyTypes = [] }: Endpoint, body: z.ZodType): Json {
  const other = Object.fromEntries(bodyTypes.map((type) => [type, { schema: { type: "string", format: "binary" } }]));
  return { content: { "application/json": { schema: schemaOf(body, "input") }, ...other } };
}

function parameters(shape: z.ZodObject | undefined, place: "path" | "query"): Json[] {
  return Object.entries(shape?.shape ?? {}).map(([name, schema]) => {
    const { default: standard, ...rest } = schemaOf(schema as z.ZodType, "input") as { default?: unknown };
    const required = place === "path";
    return { name, in: place, required, schema: { ...rest, ...(standard !== undefined && { default: standard }) } };
  });
}

function schemaOf(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return rest;
}

const PROBLEM = {
  type: "object",
  required: ["type", "title", "status", "error"],
  properties: {
    type: { type: "string" },
    title: { type: "string" },
    status: { type: "integer" },
    error: {
      type: "object",
      required: ["code", "message", "request_id"],
      properties: {
        code: { enum: Object.keys(ERROR_RULES) },
        message: { type: "string" },
        request_id: { type: "string" },
        limit: { type: "object", properties: { name: { type: "string" }, value: { type: "number" } } },
        line: { type: "integer" },
        column: { type: "integer" },
      },
    },
  },
};
