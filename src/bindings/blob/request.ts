/**
 * What a call of a blob binding asks for, read from its request, which is shaped as HTTP.
 *
 * `HEAD|GET|PUT|DELETE /objects/KEY`, the key percent-encoded, with HTTP's own range and conditions; `GET /objects?…` lists,
 * `POST /deletions` removes many. `POST|PUT|DELETE /uploads/KEY?…` is what uploads in parts are made of.
 */
import type { BindingCall } from "../../core/binding.ts";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import { IsopodError } from "../../core/errors.ts";
import type { RangeQuery } from "./backend.ts";
import { BLOB_LIMITS } from "./limits.ts";
import type { Conditions, ListQuery, Metadata } from "./object.ts";
import { refused } from "./refused.ts";

const encoder = new TextEncoder();

/** A key that the program may use. @throws {IsopodError} `bad_request`, `binding_denied` */
export function checkKey(key: unknown, { options }: BindingGrant): string {
  if (typeof key !== "string" || key === "" || !key.isWellFormed()) throw refused("expected a key that is a text");
  const bytes = encoder.encode(key).length;
  if (bytes > BLOB_LIMITS.keyBytesMax) {
    throw refused(`expected a key of at most ${BLOB_LIMITS.keyBytesMax} bytes, not ${bytes}`);
  }
  const { prefix } = options;
  if (typeof prefix !== "string" || key.startsWith(prefix)) return key;
  throw new IsopodError("binding_denied", {
    message: `Cannot use blobs: the program has the keys that begin with "${prefix}", and not "${key.slice(0, 100)}"`,
  });
}

/** Refuses a write to who may only read. @throws {IsopodError} `binding_denied` */
export function checkMayWrite({ mode, resource }: BindingGrant): void {
  if (mode === "read-write") return;
  throw new IsopodError("binding_denied", {
    message: `Cannot write to blobs "${resource}": the program may only read them`,
  });
}

/** Text behind percent signs. @throws {IsopodError} `bad_request` */
export function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused(`${what} is not percent-encoded UTF-8`);
  }
}

/** The value of a header. */
export function headerOf({ headers }: BindingCall, name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1];
}

/** HTTP's conditions. ETags stand in quotes, as there; dates are HTTP's, or milliseconds. @throws {IsopodError} */
export function conditionsOf(call: BindingCall): Conditions {
  const [before, after] = [headerOf(call, "if-unmodified-since"), headerOf(call, "if-modified-since")];
  return {
    // A weak ETag matches nothing here, and says as well as a strong one that something is unchanged (RFC 9110, 8.8.3.2).
    etagMatches: etagsOf(headerOf(call, "if-match")),
    etagDoesNotMatch: etagsOf(headerOf(call, "if-none-match")?.replaceAll("W/", "")),
    uploadedBefore: dateOf(before),
    uploadedAfter: dateOf(after),
    wholeSeconds: [before, after].some((text) => text !== undefined && !MILLISECONDS.test(text)),
  };
}

const MILLISECONDS = /^\d{1,16}$/;

function etagsOf(text: string | undefined): string[] | undefined {
  return text?.split(",").map((each) => each.trim().replace(/^"(.*)"$/, "$1"));
}

function dateOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = MILLISECONDS.test(text) ? Number(text) : Date.parse(text);
  if (Number.isNaN(ms)) throw refused(`expected a date, not "${text.slice(0, 40)}"`);
  return ms;
}

/**
 * `bytes=FROM-TO`, `bytes=FROM-`, `bytes=-SUFFIX`; the object has to have it, unless `range-or-whole` is there.
 * @throws {IsopodError} `bad_request`
 */
export function rangeQueryOf(call: BindingCall): RangeQuery | undefined {
  const piece = pieceOf(headerOf(call, "range"));
  return piece && { ...piece, orWhole: headerOf(call, "range-or-whole") !== undefined };
}

function pieceOf(text: string | undefined): Omit<RangeQuery, "orWhole"> | undefined {
  if (text === undefined) return undefined;
  const [, from, to] = /^bytes=(\d{0,16})-(\d{0,16})$/.exec(text) ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) {
    throw refused(`expected one range such as "bytes=0-99", not "${text.slice(0, 40)}"`);
  }
  if (from === "") return { suffix: Number(to) };
  if (to === "") return { offset: Number(from) };
  if (Number(to) < Number(from)) throw refused(`the range "${text}" ends before it begins`);
  return { offset: Number(from), length: Number(to) - Number(from) + 1 };
}

/** Reads `?prefix=&delimiter=&cursor=&start-after=&limit=&include=`. A prefix wider than the grant's is the grant's. @throws {IsopodError} */
export function listQueryOf(query: URLSearchParams, grant: BindingGrant): ListQuery {
  const { listKeysMax, keyBytesMax } = BLOB_LIMITS;
  const limit = Number(query.get("limit") ?? listKeysMax);
  if (!Number.isInteger(limit) || limit < 1 || limit > listKeysMax) {
    throw refused(`expected limit to be a whole number from 1 to ${listKeysMax}, not "${query.get("limit")}"`);
  }
  const short = (name: string) => {
    const text = query.get(name) ?? undefined;
    if (text !== undefined && Buffer.byteLength(text) > keyBytesMax)
      throw refused(`expected ${name} of at most ${keyBytesMax} bytes`);
    return text;
  };
  const cursor = query.get("cursor");
  if (cursor !== null && !/^[A-Za-z0-9_-]{1,1500}$/.test(cursor)) throw refused("expected a cursor of an earlier list");
  const startAfter = short("start-after");
  const after = cursor === null ? startAfter : Buffer.from(cursor, "base64url").toString();
  return {
    prefix: prefixWithin(short("prefix") ?? "", grant),
    delimiter: short("delimiter") || undefined,
    after,
    limit,
    include: query.getAll("include").map(metadataOf),
  };
}

function metadataOf(name: string): Metadata {
  if (name === "httpMetadata" || name === "customMetadata") return name;
  throw refused(`a list includes "httpMetadata" or "customMetadata", not "${name.slice(0, 40)}"`);
}

function prefixWithin(asked: string, { options }: BindingGrant): string {
  const { prefix: held = "" } = options;
  if (typeof held !== "string" || asked.startsWith(held)) return asked;
  if (held.startsWith(asked)) return held;
  throw new IsopodError("binding_denied", {
    message: `Cannot list blobs: the program has the keys that begin with "${held}", and not "${asked.slice(0, 100)}"`,
  });
}

/** A body of JSON of at most `bytesMax`. @throws {IsopodError} `bad_request` */
export async function bodyJson({ body }: BindingCall, bytesMax: number): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw refused(`expected at most ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw refused("expected JSON");
  }
}
