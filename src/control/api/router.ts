/** Puts endpoints behind Hono: parses what comes in, checks who calls, and writes what goes out. */
import { type Context, Hono } from "hono";
import type { z } from "zod";
import { parseBoundedJson } from "../../core/bounded_json.ts";
import { errorBody, IsopodError } from "../../core/errors.ts";
import type { Expected } from "../deploy/pointers.ts";
import type { QuietExchange } from "./admin_logs.ts";
import type { Answer, Call, Endpoint, Principal } from "./endpoint.ts";

/** Says who calls, by the request's credential. @throws {IsopodError} `unauthorized` */
export type Identify = (request: Request) => Principal;

const BODY_BYTES_MAX = 20 * 1024 * 1024;

/** A Hono app that has the endpoints. */
export function createRoutes(
  endpoints: readonly Endpoint[],
  identify: Identify,
  hasProject: (project: string) => boolean,
): Hono<{ Bindings: QuietExchange }> {
  const app = new Hono<{ Bindings: QuietExchange }>();
  for (const endpoint of endpoints) {
    const path = endpoint.path.replace(/\{(\w+)\}/g, ":$1");
    app.on(endpoint.method.toUpperCase(), path, async (context) => {
      const request = context.req.raw;
      const who = identify(request);
      const params = read(endpoint.params, context.req.param(), "path") as { readonly project?: string } | undefined;
      checkAccess(endpoint, who, params?.project);
      const { project } = params ?? {};
      if (project !== undefined && endpoint.id !== "createProject" && !hasProject(project)) {
        throw new IsopodError("not_found", { message: `There is no project "${project}".` });
      }
      const query = read(endpoint.query, context.req.query(), "query");
      const body = await readBody(endpoint, context);
      const call = { params, query, body, who, expected: expectedOf(request), request, exchange: context.env };
      const answer = await endpoint.handle(call as Call<never, never, never>);
      return answer instanceof Response ? answer : write(endpoint, answer);
    });
  }
  return app;
}

/** @throws {IsopodError} `forbidden` */
function checkAccess({ access }: Endpoint, who: Principal, project: string | undefined): void {
  if (who.project === undefined || access === "anyone") return;
  const fail = (message: string): never => {
    throw new IsopodError("forbidden", { message });
  };
  if (access === "server") return fail("This takes the server's own token; a key is for its project.");
  if (project !== undefined && project !== who.project) return fail(`The key is of project "${who.project}".`);
  const scopes = [...access.scopes, "admin"];
  if (!scopes.some((scope) => who.scopes.includes(scope))) {
    fail(`The key has the scopes ${who.scopes.join(", ")}; this takes ${scopes.join(" or ")}.`);
  }
}

async function readBody(endpoint: Endpoint, context: Context): Promise<unknown> {
  const { body, bodyTypes } = endpoint;
  if (body === undefined) return undefined;
  const type = context.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== undefined && bodyTypes?.includes(type)) return undefined;
  const told = Number(context.req.header("content-length") ?? 0);
  if (told > BODY_BYTES_MAX) {
    throw new IsopodError("body_too_large", { limit: { name: "bodyBytesMax", value: BODY_BYTES_MAX } });
  }
  const text = await context.req.text();
  return read(body, text.trim() === "" ? undefined : parseBoundedJson(text, "the body"), "body");
}

/** What `schema` makes of `value`. @throws {IsopodError} `bad_request` naming the first mistake */
export function read<Schema extends z.ZodType>(
  schema: Schema | undefined,
  value: unknown,
  what: string,
): z.output<Schema> | undefined {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = plainIssue(parsed.error.issues[0], []);
  const at = path.join(".") || "it";
  const given = path.reduce((above: unknown, key) => (above as Record<string, unknown> | undefined)?.[key], value);
  // What stands in a path is no secret; of a body only what was to be chosen is repeated.
  const named = what === "path" ? `${at} ${shown(given)}` : at;
  const why = typeof message === "string" ? message : `expected ${message.oneOf}, not ${shown(given)}`;
  throw new IsopodError("bad_request", { message: `Cannot read the ${what}: ${named}: ${why}` });
}

function shown(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 100) ?? "nothing";
}

/** An issue that says what was expected: of a choice of forms, the one that the value comes nearest to. */
function plainIssue(issue: z.core.$ZodIssue | undefined, above: readonly PropertyKey[]): PlainIssue {
  const path = [...above, ...(issue?.path ?? [])].map(String);
  if (issue?.code === "invalid_value") return { path, message: { oneOf: listOf(issue.values) } };
  if (issue?.code !== "invalid_union")
    return { path, message: issue?.message ?? "it is not of the form that was expected" };
  const firsts = issue.errors.map(([first]) => first);
  return plainIssue(firsts.find((first) => first?.code !== "invalid_type") ?? firsts[0], path);
}

function listOf(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length < 2 ? texts.join() : `${texts.slice(0, -1).join(", ")} or ${texts.at(-1)}`;
}

interface PlainIssue {
  readonly path: readonly string[];
  readonly message: string | { readonly oneOf: string };
}

function write(endpoint: Endpoint, { body, revision, status }: Answer<unknown>): Response {
  const headers: [string, string][] = [["cache-control", "no-store"]];
  if (revision !== undefined) headers.push(["etag", `"${revision}"`]);
  if (endpoint.answer === undefined) return new Response(null, { status: status ?? endpoint.status, headers });
  headers.push(["content-type", "application/json"]);
  return new Response(JSON.stringify(body), { status: status ?? endpoint.status, headers });
}

/** @throws {IsopodError} `bad_request` for what is no ETag of ours */
function expectedOf({ headers }: Request): Expected {
  if (headers.get("if-none-match")?.trim() === "*") return 0;
  const match = headers.get("if-match")?.trim();
  if (match === undefined) return undefined;
  const revision = /^"(\d{1,15})"$/.exec(match)?.[1];
  if (revision !== undefined) return Number(revision);
  throw new IsopodError("bad_request", {
    message: `Cannot read If-Match ${match.slice(0, 40)}: expected the ETag of an answer`,
  });
}

/** An error as `application/problem+json` (RFC 9457), with the same `error` object as on the data plane. */
export function problem(error: IsopodError): Response {
  const body = errorBody(error, crypto.randomUUID());
  const text = JSON.stringify({ type: "about:blank", title: body.message, status: error.status, error: body });
  const headers: [string, string][] = [["content-type", "application/problem+json"]];
  const { retryAfterSeconds } = error.details;
  if (retryAfterSeconds !== undefined) headers.push(["retry-after", String(Math.ceil(retryAfterSeconds))]);
  if (error.code === "unauthorized") headers.push(["www-authenticate", "Bearer"]);
  return new Response(text, { status: error.status, headers });
}
