/**
 * What an endpoint of the admin API is: method, path, who may call it, the schemas of what it takes and answers, and what
 * it does. The document at `/v1/openapi.json` is made of these and of nothing else.
 */
import { z } from "zod";
import { IsopodError } from "../../core/errors.ts";
import type { Expected } from "../deploy/pointers.ts";
import { name } from "../fields.ts";
import type { QuietExchange } from "./admin_logs.ts";

/** Who may call: everybody with a token or key; the server's token alone; keys of the project with one of the scopes. */
export type Access = "anyone" | "server" | { readonly scopes: readonly ("deploy" | "invoke" | "run" | "logs")[] };

/** Who calls. */
export interface Principal {
  /** `token`, or the beginning of the key. */
  readonly label: string;
  /** Undefined for the server's token, which may everything. */
  readonly project: string | undefined;
  readonly scopes: readonly string[];
  readonly mayPin: boolean;
  /** Of the key. */
  readonly plan: string | undefined;
  /** The hash of the key. */
  readonly keyHash?: string | undefined;
}

type Shape = z.ZodObject;
type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/** What an endpoint is given. */
export interface Call<Params, Query, Body> {
  readonly params: Params;
  readonly query: Query;
  readonly body: Body;
  readonly who: Principal;
  /** The revision of `If-Match`; 0 for `If-None-Match: *`. */
  readonly expected: Expected;
  readonly request: Request;
  /** The exchange of streams, which may be silent for a while. */
  readonly exchange: QuietExchange | undefined;
}

/** What an endpoint answers; a `Response` where it is no JSON. */
export interface Answer<Body> {
  readonly body?: Body;
  /** Becomes the ETag. */
  readonly revision?: number | undefined;
  readonly status?: 200 | 201 | 202 | 204;
}

/** An endpoint without its types, as the router takes it. */
export interface Endpoint {
  readonly method: "get" | "post" | "put" | "patch" | "delete";
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly access: Access;
  readonly params?: Shape | undefined;
  readonly query?: Shape | undefined;
  /** A query that the handler reads by itself. */
  readonly ownQuery?: Shape | undefined;
  readonly body?: z.ZodType | undefined;
  /** Types of the body beside JSON. */
  readonly bodyTypes?: readonly string[] | undefined;
  /** Undefined for an answer without a body. */
  readonly answer?: z.ZodType | undefined;
  /** The type of an answer that is no JSON. */
  readonly answerType?: string | undefined;
  readonly status: 200 | 201 | 202 | 204;
  handle(call: Call<never, never, never>): Promise<Answer<unknown> | Response>;
}

/** Declares an endpoint; its handler is given what the schemas have parsed. */
export function endpoint<
  Params extends Shape | undefined = undefined,
  Query extends Shape | undefined = undefined,
  Body extends z.ZodType | undefined = undefined,
  Result extends z.ZodType | undefined = undefined,
>(
  declared: Omit<Endpoint, "handle" | "params" | "query" | "body" | "answer" | "status"> & {
    readonly params?: Params;
    readonly query?: Query;
    readonly body?: Body;
    readonly answer?: Result;
    readonly status?: Endpoint["status"];
    handle(
      call: Call<Parsed<Params>, Parsed<Query>, Parsed<Body>>,
    ): Promise<Answer<Result extends z.ZodType ? z.input<Result> : undefined> | Response>;
  },
): Endpoint {
  return {
    status: declared.answer === undefined && declared.answerType === undefined ? 204 : 200,
    ...declared,
  } as unknown as Endpoint;
}

/** The parameter of everything that belongs to a project. */
export const inProject = z.object({ project: name });
/** The parameters of everything that belongs to a function. */
export const ofFunction = z.object({ project: name, function: name });

/** The query of a list. */
export const page = z.object({
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(2048).optional(),
});

/** A page of a list. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().optional() });
}

/** The part of `all` that a page asks for; `keyOf` is unique and gives the order. @throws {IsopodError} `bad_request` */
export function paginate<T>(
  all: readonly T[],
  { limit, cursor }: z.infer<typeof page>,
  keyOf: (item: T) => string,
): { items: T[]; next?: string } {
  const after = cursor === undefined ? undefined : readCursor(cursor);
  const sorted = [...all].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const left = after === undefined ? sorted : sorted.filter((item) => keyOf(item) > after);
  const items = left.slice(0, limit);
  const last = items.at(-1);
  return left.length > items.length && last !== undefined ? { items, next: writeCursor(keyOf(last)) } : { items };
}

/** A place in a list, as callers hand it back. */
export function writeCursor(key: string): string {
  return Buffer.from(key).toString("base64url");
}

/** @throws {IsopodError} `bad_request` */
export function readCursor(cursor: string): string {
  if (!/^[A-Za-z0-9_-]+$/.test(cursor)) {
    throw new IsopodError("bad_request", { message: "Cannot read cursor: expected `next` of the page before" });
  }
  return Buffer.from(cursor, "base64url").toString();
}
