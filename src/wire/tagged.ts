/**
 * Values that functions hand to one another, as JSON: what JSON holds stands as it is, the rest as `{"$": KIND, "v": …}`.
 *
 * Beside JSON's own: undefined, NaN and the infinities, BigInt, Date, Uint8Array, ArrayBuffer, Map, Set and Error. Functions,
 * streams and what refers to itself are refused. What is decoded has plain prototypes only, whatever was sent.
 */

const DEPTH_MAX = 64;
const TAG = "$";

/** A value as text. @throws {TypeError} when it holds what cannot be sent */
export function encodeTagged(value: unknown): string {
  return JSON.stringify(encode(value, 0));
}

/** The value of a text. @throws {SyntaxError | TypeError} when it is none */
export function decodeTagged(text: string): unknown {
  return decode(JSON.parse(text), 0);
}

function encode(value: unknown, depth: number): unknown {
  if (depth > DEPTH_MAX)
    throw new TypeError(`Cannot send a value that refers to itself, or is deeper than ${DEPTH_MAX}`);
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : tagged("number", Object.is(value, -0) ? "-0" : `${value}`);
    case "undefined":
      return tagged("undefined");
    case "bigint":
      return tagged("bigint", `${value}`);
    case "object":
      return value === null ? null : encodeObject(value, depth + 1);
    default:
      throw new TypeError(`Cannot send a ${typeof value} to another function: expected data`);
  }
}

function encodeObject(value: object, depth: number): unknown {
  const each = (item: unknown) => encode(item, depth);
  if (Array.isArray(value)) return value.map(each);
  if (value instanceof Date) return tagged("date", value.getTime());
  if (value instanceof Map)
    return tagged(
      "map",
      [...value].map(([key, item]) => [each(key), each(item)]),
    );
  if (value instanceof Set) return tagged("set", [...value].map(each));
  if (value instanceof Error) return tagged("error", errorParts(value));
  if (value instanceof ArrayBuffer) return tagged("buffer", new Uint8Array(value).toBase64());
  if (ArrayBuffer.isView(value)) {
    return tagged("bytes", new Uint8Array(value.buffer, value.byteOffset, value.byteLength).toBase64());
  }
  if (isOpaque(value)) {
    throw new TypeError(`Cannot send a ${value.constructor?.name ?? "value"} to another function: expected data`);
  }
  const entries = Object.entries(value).map(([key, item]) => [key, each(item)] as const);
  // An object that has the tag as a key of its own would be taken for something else.
  return Object.hasOwn(value, TAG) ? tagged("object", entries) : Object.fromEntries(entries);
}

/** What lives in one guest and means nothing in another. */
function isOpaque(value: object): boolean {
  return [Promise, ReadableStream, WritableStream, Request, Response, Blob, WeakMap, WeakSet].some(
    (type) => value instanceof type,
  );
}

function errorParts(error: Error): unknown {
  const { code } = error as { code?: unknown };
  const hasCode = typeof code === "string" || typeof code === "number";
  return { name: String(error.name), message: String(error.message), ...(hasCode && { code }) };
}

function tagged(kind: string, v?: unknown): unknown {
  return v === undefined ? { [TAG]: kind } : { [TAG]: kind, v };
}

function decode(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > 2 * DEPTH_MAX) throw new TypeError(`Cannot read a value that is deeper than ${DEPTH_MAX}`);
  if (Array.isArray(value)) return value.map((item) => decode(item, depth + 1));
  if (Object.hasOwn(value, TAG))
    return decodeTag(value as { readonly [TAG]: unknown; readonly v?: unknown }, depth + 1);
  // From entries, so that a key "__proto__" is a key like any other.
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item, depth + 1)]));
}

function decodeTag({ [TAG]: kind, v }: { readonly [TAG]: unknown; readonly v?: unknown }, depth: number): unknown {
  const each = (item: unknown) => decode(item, depth);
  const list = Array.isArray(v) ? (v as unknown[]) : [];
  switch (kind) {
    case "undefined":
      return undefined;
    case "number":
      return Number(v);
    case "bigint":
      return BigInt(String(v));
    case "date":
      return new Date(Number(v));
    case "bytes":
      return Uint8Array.fromBase64(String(v));
    case "buffer":
      return Uint8Array.fromBase64(String(v)).buffer;
    case "map":
      return new Map(list.map((pair) => [each((pair as unknown[])[0]), each((pair as unknown[])[1])]));
    case "set":
      return new Set(list.map(each));
    case "error":
      return asError(v);
    case "object":
      return Object.fromEntries(list.map((pair) => [String((pair as unknown[])[0]), each((pair as unknown[])[1])]));
    default:
      throw new TypeError(`Cannot read a value of the kind "${String(kind).slice(0, 32)}"`);
  }
}

function asError(v: unknown): Error {
  const { name, message, code } = (typeof v === "object" && v !== null ? v : {}) as Record<string, unknown>;
  const error = new Error(typeof message === "string" ? message : "");
  if (typeof name === "string") error.name = name;
  return code === undefined ? error : Object.assign(error, { code });
}
