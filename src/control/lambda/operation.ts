/** What an operation of the Lambda API is given, and how its parts are read and answered. */
import { z } from "zod";
import { parseBoundedJson } from "../../core/bounded_json.ts";
import type { CallerAdmission } from "../../core/caller_admission.ts";
import { IsopodError } from "../../core/errors.ts";
import type { FunctionCaller } from "../../core/function_caller.ts";
import type { AsyncInvoker } from "../../core/payload_call.ts";
import type { QuietExchange } from "../api/admin_logs.ts";
import type { ControlPlane } from "../control_plane.ts";
import type { VersionOwner } from "../deploy/version_checks.ts";
import type { LambdaAccess, LambdaCaller } from "./caller.ts";
import { invalid, LambdaError } from "./failures.ts";

/** What the API reaches. */
export interface LambdaParts {
  readonly plane: ControlPlane;
  readonly functions: FunctionCaller;
  readonly invocations: AsyncInvoker;
  readonly admission: CallerAdmission;
  /** What handlers that run in the engine of scripts are called by, by the names that these modules import one another by. */
  readonly handlerSources: Readonly<Record<string, string>>;
  newRequestId(): string;
  wallNow(): number;
  /** The address of the data plane. */
  baseUrl(): string;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** A call of an operation. */
export interface LambdaCall {
  readonly parts: LambdaParts;
  readonly caller: LambdaCaller;
  readonly request: Request;
  readonly requestId: string;
  readonly url: URL;
  /** The parts of the path that the operation's pattern names. */
  readonly path: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly exchange: QuietExchange | undefined;
}

/** An operation. */
export interface Operation {
  readonly name: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** As AWS writes it: `/2015-03-31/functions/{FunctionName}`. */
  readonly path: string;
  readonly access: LambdaAccess;
  /** 64 KiB when left out. */
  readonly bodyBytesMax?: number;
  run(call: LambdaCall): Promise<Response>;
}

/** An answer in JSON. Members that are undefined are left out. */
export function answer(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}

/** An answer without a body. */
export function noContent(): Response {
  return new Response(null, { status: 204 });
}

/** The body as `schema` reads it. @throws {LambdaError} `InvalidRequestContentException`, `InvalidParameterValueException` */
export function readJsonBody<Schema extends z.ZodType>({ body }: LambdaCall, schema: Schema): z.output<Schema> {
  let value: unknown = {};
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(body);
    if (text.trim() !== "") value = parseBoundedJson(text, "the body");
  } catch (error) {
    const why = error instanceof IsopodError ? error.message : "it is not UTF-8";
    throw new LambdaError("InvalidRequestContentException", `Could not parse request body into json: ${why}`);
  }
  return readWith(schema, value, "the body");
}

/** What `schema` makes of `value`. @throws {LambdaError} `InvalidParameterValueException` naming the first mistake */
export function readWith<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (issue?.code === "unrecognized_keys") {
    return invalid(`${issue.keys[0]} in ${what} is not offered here.`);
  }
  return invalid(`Cannot read ${what}: ${issue?.path.join(".") || "it"}: ${issue?.message}`);
}

/** Whose function it is, for the control plane. */
export function ownerOf({ caller: { who, project } }: LambdaCall, name: string): VersionOwner {
  return { project, name, by: who.label, isServer: who.project === undefined, plan: who.plan };
}

const PAGE_ITEMS = 50;
const pageQuery = z.object({
  MaxItems: z.coerce.number().int().min(1).max(10_000).default(PAGE_ITEMS),
  Marker: z.string().max(2048).optional(),
});

/** The page of a list that was asked for: its items in their order, and what to ask for the next by. */
export function pageOf<Item>(
  { url }: LambdaCall,
  items: readonly Item[],
  keyOf: (item: Item) => string,
): { readonly page: Item[]; readonly NextMarker?: string } {
  const { MaxItems, Marker } = readWith(pageQuery, Object.fromEntries(url.searchParams), "the query");
  const after = Marker === undefined ? undefined : Buffer.from(Marker, "base64url").toString();
  const start = after === undefined ? 0 : items.findIndex((item) => keyOf(item) > after);
  if (start < 0) return { page: [] };
  const page = items.slice(start, start + Math.min(MaxItems, PAGE_ITEMS));
  const last = page.at(-1);
  if (last === undefined || start + page.length >= items.length) return { page };
  return { page, NextMarker: Buffer.from(keyOf(last)).toString("base64url") };
}
