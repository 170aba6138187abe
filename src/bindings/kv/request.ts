/**
 * What a call of a KV binding asks for, read from its request: shaped as HTTP, so that it can be spoken over a socket too.
 *
 * `GET|PUT|DELETE /values/KEY`, the key percent-encoded; conditions, times and metadata are headers. `POST /values` with a
 * list of keys, `GET /keys?prefix=&limit=&cursor=`, `GET /changes?prefix=` or `?key=`.
 */
import type { BindingCall } from "../../core/binding.ts";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import { IsopodError } from "../../core/errors.ts";
import { KV_LIMITS } from "./limits.ts";

const encoder = new TextEncoder();

/** A refusal of what was asked. */
export function refused(why: string): IsopodError {
  return new IsopodError("bad_request", { message: `Cannot use KV: ${why}` });
}

/** The key that stands behind `prefix` in the call's address. @throws {IsopodError} `bad_request` */
export function keyOf({ url }: BindingCall, prefix: string): string {
  return decoded(url.slice(prefix.length), "the key");
}

function decoded(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused(`${what} is not percent-encoded UTF-8`);
  }
}

/** A key as it is stored. @throws {IsopodError} `bad_request`, `binding_denied` */
export function checkKey(key: string, grant: BindingGrant): Uint8Array {
  const bytes = encoder.encode(key);
  if (key === "" || key === "." || key === "..") throw refused(`expected a key, not "${key}"`);
  if (bytes.length > KV_LIMITS.keyBytesMax) {
    throw refused(`expected a key of at most ${KV_LIMITS.keyBytesMax} bytes, not ${bytes.length}`);
  }
  const { prefix } = grant.options;
  if (typeof prefix === "string" && !key.startsWith(prefix)) throw outside(key, prefix);
  return bytes;
}

function outside(key: string, prefix: string): IsopodError {
  return new IsopodError("binding_denied", {
    message: `Cannot use KV: the program has the keys that begin with "${prefix}", and not "${key.slice(0, 100)}"`,
  });
}

/** Refuses a write to who may only read. @throws {IsopodError} `binding_denied` */
export function checkMayWrite({ mode, resource }: BindingGrant): void {
  if (mode === "read-write") return;
  throw new IsopodError("binding_denied", {
    message: `Cannot write to KV "${resource}": the program may only read it`,
  });
}

/** The value of a header. */
export function headerOf({ headers }: BindingCall, name: string): string | undefined {
  return headers.find(([each]) => each === name)?.[1];
}

/** A header that is a whole number from `min` to `max`. @throws {IsopodError} `bad_request` */
export function numberOf(call: BindingCall, name: string, min: number, max: number): number | undefined {
  const text = headerOf(call, name);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d{1,16}$/.test(text) && value >= min && value <= max) return value;
  throw refused(`expected ${name} to be a whole number from ${min} to ${max}, not "${text.slice(0, 40)}"`);
}

/** When what is put expires, in milliseconds since the Unix epoch. @throws {IsopodError} `bad_request` */
export function expiryOf(call: BindingCall, wallNow: number): number | null {
  const { ttlSecondsMin, ttlSecondsMax } = KV_LIMITS;
  const nowSeconds = Math.floor(wallNow / 1000);
  const ttl = numberOf(call, "ttl", ttlSecondsMin, ttlSecondsMax);
  const at = numberOf(call, "expiration", nowSeconds + ttlSecondsMin, nowSeconds + ttlSecondsMax);
  if (ttl !== undefined) return wallNow + ttl * 1000;
  return at === undefined ? null : at * 1000;
}

/** The metadata of what is put, percent-encoded as it came. @throws {IsopodError} `bad_request`, `value_too_large` */
export function metadataOf(call: BindingCall): string | null {
  const text = headerOf(call, "metadata");
  if (text === undefined) return null;
  const json = decoded(text, "the metadata");
  const bytes = Buffer.byteLength(json);
  const value = KV_LIMITS.metadataBytesMax;
  if (bytes > value) {
    const message = `Cannot put: the metadata is ${bytes} bytes of JSON, and at most ${value} are kept`;
    throw new IsopodError("value_too_large", { message, limit: { name: "metadataBytesMax", value } });
  }
  try {
    JSON.parse(json);
  } catch {
    throw refused("the metadata is not JSON");
  }
  return text;
}

/** What a list is asked for. */
export interface ListOptions {
  readonly prefix: Uint8Array;
  readonly limit: number;
  readonly after: Uint8Array | undefined;
}

/** Reads `?prefix=&limit=&cursor=`. A prefix that is wider than the grant's is the grant's. @throws {IsopodError} */
export function listOf(query: URLSearchParams, grant: BindingGrant): ListOptions {
  const { listKeysMax } = KV_LIMITS;
  const limit = Number(query.get("limit") ?? listKeysMax);
  if (!Number.isInteger(limit) || limit < 1 || limit > listKeysMax) {
    throw refused(`expected limit to be a whole number from 1 to ${listKeysMax}, not "${query.get("limit")}"`);
  }
  const cursor = query.get("cursor");
  if (cursor !== null && !/^[A-Za-z0-9_-]{1,700}$/.test(cursor)) throw refused("expected a cursor of an earlier list");
  const after = cursor === null ? undefined : Uint8Array.from(Buffer.from(cursor, "base64url"));
  return { prefix: encoder.encode(prefixOf(query, grant)), limit, after };
}

/** The beginning of keys that is asked for, within what the grant holds. @throws {IsopodError} */
export function prefixOf(query: URLSearchParams, grant: BindingGrant): string {
  const asked = query.get("prefix") ?? "";
  if (encoder.encode(asked).length > KV_LIMITS.keyBytesMax) {
    throw refused(`expected a prefix of at most ${KV_LIMITS.keyBytesMax} bytes`);
  }
  const { prefix: held = "" } = grant.options;
  if (typeof held !== "string" || asked.startsWith(held)) return asked;
  if (held.startsWith(asked)) return held;
  throw outside(asked, held);
}

/** The keys of a `getMany`. @throws {IsopodError} */
export async function keysOf({ body }: BindingCall, grant: BindingGrant): Promise<Uint8Array[]> {
  const { manyKeysMax, keyBytesMax } = KV_LIMITS;
  const text = await textOf(body, manyKeysMax * keyBytesMax * 8);
  let keys: unknown;
  try {
    keys = JSON.parse(text);
  } catch {
    throw refused("expected the keys as a list in JSON");
  }
  if (!Array.isArray(keys) || keys.length < 1 || keys.length > manyKeysMax) {
    throw refused(`expected a list of 1 to ${manyKeysMax} keys`);
  }
  return keys.map((key: unknown) => {
    if (typeof key !== "string") throw refused("expected every key to be a text");
    return checkKey(key, grant);
  });
}

async function textOf(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw refused(`expected at most ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

/** The refusal of a value that is too long. */
export function tooLarge(): IsopodError {
  const value = KV_LIMITS.valueBytesMax;
  const message = `Cannot put: the value is longer than ${value} bytes`;
  return new IsopodError("value_too_large", { message, limit: { name: "valueBytesMax", value } });
}
