/**
 * Values that functions hand to one another, as JSON: what JSON holds stands as it is, the rest as `{"$": KIND, "v": …}`.
 *
 * Beside JSON's own: undefined, NaN and the infinities, BigInt, Date, ArrayBuffer and its views, Map, Set and Error. What
 * means nothing outside of its guest (functions, streams, requests) is refused, and so is what refers to itself. What is
 * decoded has prototypes of the language only, whatever was sent. How long a text may be is its carrier's to bound.
 */

const DEPTH_MAX = 64;
const TAG = "$";

/** Views of an ArrayBuffer, by the names that the language gives them: what is derived from one arrives as that one. */
const VIEW = /^((Ui|I)nt(8|16|32)|Uint8Clamped|Float(16|32|64)|Big(Ui|I)nt64)Array$|^DataView$/;
/** Errors of the language, which arrive as what they were. */
const ERROR = /^(Eval|Range|Reference|Syntax|Type|URI)Error$/;

/** A value as text. @throws {TypeError} when it holds what cannot be sent */
export function encodeTagged(value: unknown): string {
  return JSON.stringify(encode(value, []));
}

/** The value of a text. @throws {SyntaxError | TypeError | RangeError} when it is none */
export function decodeTagged(text: string): unknown {
  return decode(JSON.parse(text), 0);
}

/** @param above what the value stands in, from the outermost on */
function encode(value: unknown, above: object[]): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Object.is(value, -0)) return tagged("number", "-0");
      return Number.isFinite(value) ? value : tagged("number", `${value}`);
    case "undefined":
      return tagged("undefined");
    case "bigint":
      return tagged("bigint", `${value}`);
    case "object":
      return value === null ? null : encodeWithin(value, above);
    default:
      throw new TypeError(`Cannot send a ${typeof value} to another function: expected data`);
  }
}

function encodeWithin(value: object, above: object[]): unknown {
  if (above.includes(value)) throw new TypeError("Cannot send a value that refers to itself to another function");
  if (above.length >= DEPTH_MAX) {
    throw new TypeError(`Cannot send a value to another function that is deeper than ${DEPTH_MAX}`);
  }
  above.push(value);
  const encoded = encodeObject(value, (item) => encode(item, above));
  above.pop();
  return encoded;
}

function encodeObject(value: object, each: (item: unknown) => unknown): unknown {
  if (Array.isArray(value)) return Array.from(value, each);
  if (value instanceof Date) return tagged("date", Number.isNaN(value.getTime()) ? undefined : value.getTime());
  if (value instanceof Map) return tagged("map", pairsOf(value, each));
  if (value instanceof Set) return tagged("set", Array.from(value, each));
  if (value instanceof Error) return tagged("error", errorParts(value));
  if (value instanceof ArrayBuffer) return tagged("buffer", new Uint8Array(value).toBase64());
  const kind = Object.prototype.toString.call(value).slice("[object ".length, -1);
  if (ArrayBuffer.isView(value)) {
    return tagged(kind, new Uint8Array(value.buffer, value.byteOffset, value.byteLength).toBase64());
  }
  // What the platform made says so; what programs made of their own classes is sent as the data that it holds.
  if (kind !== "Object") throw new TypeError(`Cannot send a ${kind} to another function: expected data`);
  const pairs = Object.entries(value).map(([key, item]) => [key, each(item)] as const);
  // An object that has the tag as a key of its own would be taken for something else.
  return Object.hasOwn(value, TAG) ? tagged("object", pairs) : Object.fromEntries(pairs);
}

function pairsOf(map: Map<unknown, unknown>, each: (item: unknown) => unknown): unknown {
  return Array.from(map, ([key, item]) => [each(key), each(item)]);
}

function errorParts(error: Error): unknown {
  const { code } = error as { code?: unknown };
  const hasCode = typeof code === "string" || (typeof code === "number" && Number.isFinite(code));
  return { name: String(error.name), message: String(error.message), ...(hasCode && { code }) };
}

function tagged(kind: string, v?: unknown): unknown {
  return v === undefined ? { [TAG]: kind } : { [TAG]: kind, v };
}

function decode(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX) throw new TypeError(`Cannot read a value that is deeper than ${DEPTH_MAX}`);
  if (Array.isArray(value)) return value.map((item) => decode(item, depth + 1));
  if (Object.hasOwn(value, TAG)) return decodeTag(value as Tagged, depth + 1);
  // From entries, so that a key "__proto__" is a key like any other.
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, decode(item, depth + 1)]));
}

interface Tagged {
  readonly [TAG]: unknown;
  readonly v?: unknown;
}

function decodeTag({ [TAG]: kind, v }: Tagged, depth: number): unknown {
  const each = (item: unknown) => decode(item, depth);
  const list = Array.isArray(v) ? (v as unknown[]) : [];
  const pairs = () => list.map((pair) => (Array.isArray(pair) ? (pair as unknown[]) : []));
  switch (kind) {
    case "undefined":
      return undefined;
    case "number":
      return Number(v);
    case "bigint":
      return BigInt(String(v));
    case "date":
      return new Date(Number(v));
    case "buffer":
      return Uint8Array.fromBase64(String(v)).buffer;
    case "map":
      return new Map(pairs().map(([key, item]) => [each(key), each(item)]));
    case "set":
      return new Set(list.map(each));
    case "error":
      return asError(v);
    case "object":
      return Object.fromEntries(pairs().map(([key, item]) => [String(key), each(item)]));
  }
  if (typeof kind !== "string" || !VIEW.test(kind)) {
    throw new TypeError(`Cannot read a value of the kind "${String(kind).slice(0, 32)}"`);
  }
  return new (ofLanguage<ViewType>(kind))(Uint8Array.fromBase64(String(v)).buffer);
}

type ViewType = new (buffer: ArrayBuffer) => ArrayBufferView;

/** Looked up when it is needed: the engine makes most of them then. */
function ofLanguage<Type>(name: string): Type {
  return (globalThis as unknown as Readonly<Record<string, Type>>)[name] as Type;
}

function asError(v: unknown): Error {
  const { name, message, code } = (typeof v === "object" && v !== null ? v : {}) as Record<string, unknown>;
  const isKnown = typeof name === "string" && ERROR.test(name);
  const error = new (isKnown ? ofLanguage<ErrorConstructor>(name) : Error)(typeof message === "string" ? message : "");
  if (!isKnown && typeof name === "string") error.name = name;
  return typeof code === "string" || typeof code === "number" ? Object.assign(error, { code }) : error;
}
