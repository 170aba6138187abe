/**
 * What a call of a KV binding asks for, read from its request: shaped as HTTP, so that it can be spoken over a socket too.
 *
 * `GET|PUT|DELETE /values/KEY`, the key percent-encoded; conditions, times and metadata are headers.
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
  if (typeof prefix === "string" && !key.startsWith(prefix)) {
    throw new IsopodError("binding_denied", {
      message: `Cannot use KV: the program has the keys that begin with "${prefix}", and "${key.slice(0, 100)}" does not`,
    });
  }
  return bytes;
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

/** The body as bytes. @throws {IsopodError} `value_too_large` when it is longer than a value may be */
export async function bodyOf({ body }: BindingCall): Promise<Uint8Array> {
  if (body === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > KV_LIMITS.valueBytesMax) throw tooLarge();
    chunks.push(chunk);
  }
  return chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks);
}

/** The refusal of a value that is too long. */
export function tooLarge(): IsopodError {
  const value = KV_LIMITS.valueBytesMax;
  const message = `Cannot put: the value is longer than ${value} bytes`;
  return new IsopodError("value_too_large", { message, limit: { name: "valueBytesMax", value } });
}
