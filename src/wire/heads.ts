/**
 * The texts inside frames: what heads, resets and parcels hold, and the checks of what a peer sends.
 *
 * Heads are JSON with short keys: one native call on each side, and still readable in a trace. Whatever comes from a
 * guest is checked here, by hand, before anything else sees it; a failed check is a `WireError`.
 */
import type { PageLayout } from "../core/browser_program.ts";
import type { GuestDeclaration } from "../core/guest.ts";
import type { ProcessSettings } from "../core/process_program.ts";
import { readU32, WireError } from "./frame.ts";

/** Header names and values. */
export type Pairs = readonly (readonly [name: string, value: string])[];

/** Host to guest: handle this request. */
export interface RequestHead {
  readonly id: string;
  readonly m: string;
  readonly u: string;
  readonly h: Pairs;
  /** Path parameters. */
  readonly p?: Readonly<Record<string, string>>;
  /** `ctx.args`, as JSON text. */
  readonly a?: string;
  /** Call this export with the arguments, and not the handler. */
  readonly f?: string;
  /** How the function is entered, when it is not by its handler: what the body holds. */
  readonly x?: "rpc" | "scheduled" | "queue";
  /** Milliseconds since the epoch at which the invocation is ended. */
  readonly d: number;
  /** Whether a body follows. */
  readonly b?: 1;
}

/** Guest to host: the answer's head. */
export interface ResponseHead {
  readonly s: number;
  readonly h: Pairs;
  /** The program is a script, and its output is the body. */
  readonly k?: "script";
  /** The function accepted a WebSocket. */
  readonly ws?: 1;
}

/** Guest to host: call a binding. */
export interface CallHead {
  /** What the guest calls: a name on `env`, or `egress`. */
  readonly n: string;
  /** Stream of the invocation for which the call is made; 0 when the guest cannot tell. */
  readonly i: number;
  readonly m: string;
  readonly u: string;
  readonly h: Pairs;
  readonly b?: 1;
  readonly r?: "follow" | "manual" | "error";
}

/** Host to guest: what a binding answered. */
export interface AnswerHead {
  readonly s: number;
  readonly h: Pairs;
  readonly u: string;
  /** Redirects led there. */
  readonly rd?: 1;
}

/** Why a stream was given up: a code of the catalogue and what goes with it. */
export interface ResetReason {
  readonly code: string;
  readonly message?: string;
  readonly stack?: string;
  readonly line?: number;
  readonly column?: number;
}

/** Host to guest, first of all: how to close the guest down before any foreign code arrives. */
export interface HelloParcel {
  /** Resource limits to set, by their number. */
  readonly rlimits: readonly (readonly [resource: number, value: number])[];
  /** RLIMIT_DATA as it must have been set before the guest started; 0 for none. */
  readonly dataBytes: number;
}

/** Host to guest: the program. Its code is the parcel's bytes. */
export interface LoadParcel {
  /** What stack traces call it. */
  readonly name: string;
  readonly language: "typescript" | "javascript" | "wasm";
  /** A function is evaluated once and then invoked; a program is evaluated by its one invocation; a build never is. */
  readonly mode: "function" | "program" | "build";
  readonly env: Readonly<Record<string, string>>;
  /** The export that is the function; `default` when left out. */
  readonly exportName?: string;
  /** Name and version, for `ctx.function`. */
  readonly fn?: { readonly name: string; readonly version: string };
  /** What is on `env` beside the variables. */
  readonly bindings?: readonly GuestDeclaration[];
  /** How to start a program whose files are there already; its parcel has no bytes. */
  readonly process?: ProcessSettings;
  /** What its instance may use, as far as its guest must know: the memory, in bytes. */
  readonly memoryBytes?: number;
  /** What a build is to run in, when that is a page; what a page's bytes are, when it runs in one. */
  readonly target?: "browser";
  readonly browser?: PageLayout;
}

const [encoder, decoder] = [new TextEncoder(), new TextDecoder()];

/** A JSON value and bytes in one payload: u32 length of the JSON, the JSON, the bytes. */
export function encodeParcel(value: unknown, bytes: Uint8Array): Uint8Array {
  const json = encoder.encode(JSON.stringify(value));
  const parcel = new Uint8Array(4 + json.length + bytes.length);
  new DataView(parcel.buffer).setUint32(0, json.length, true);
  parcel.set(json, 4);
  parcel.set(bytes, 4 + json.length);
  return parcel;
}

/** The two halves of a parcel. @throws {WireError} */
export function decodeParcel(payload: Uint8Array): { json: unknown; bytes: Uint8Array } {
  if (payload.length < 4) throw new WireError("Cannot read parcel: it is shorter than its length");
  const size = readU32(payload, 0);
  if (size > payload.length - 4) throw new WireError("Cannot read parcel: its JSON is cut off");
  return { json: parseJson(payload.subarray(4, 4 + size)), bytes: payload.subarray(4 + size) };
}

/** The JSON value in a payload. @throws {WireError} */
export function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(payload));
  } catch {
    throw new WireError("Cannot read payload: it is not JSON");
  }
}

/** The object in a payload. @throws {WireError} */
function parseObject(payload: Uint8Array): Record<string, unknown> {
  const value = parseJson(payload);
  if (typeof value !== "object" || value === null) throw new WireError("Cannot read payload: it is not an object");
  return value as Record<string, unknown>;
}

/** Checks a response head from a guest. @throws {WireError} */
export function parseResponseHead(payload: Uint8Array): ResponseHead {
  const { s, h, k, ws } = parseObject(payload);
  if (typeof s !== "number" || !Number.isInteger(s) || s < 200 || s > 599) {
    if (!(s === 101 && ws === 1)) throw new WireError("Cannot read response head: status is not from 200 to 599");
  }
  const head = { s: s as number, h: checkPairs(h) };
  if (k === "script") return { ...head, k };
  return ws === 1 ? { ...head, ws } : head;
}

/** Checks a call head from a guest. @throws {WireError} */
export function parseCallHead(payload: Uint8Array): CallHead {
  const { n, i, m, u, h, b, r } = parseObject(payload);
  if (typeof n !== "string" || typeof u !== "string" || typeof i !== "number") {
    throw new WireError("Cannot read call head: name, URL or stream is missing");
  }
  if (typeof m !== "string" || !TOKEN.test(m)) throw new WireError("Cannot read call head: method is not a token");
  const redirect = r === "manual" || r === "error" ? r : "follow";
  return { n, i, m, u, h: checkPairs(h), r: redirect, ...(b === 1 && { b }) };
}

/** Checks a reset from a guest; anything unreadable becomes a reason without a code. */
export function parseReset(payload: Uint8Array): ResetReason {
  if (payload.length === 0) return { code: "" };
  const { code, message, stack, line, column } = parseObject(payload);
  return {
    code: typeof code === "string" ? code : "",
    ...(typeof message === "string" && { message: message.slice(0, 16_384) }),
    ...(typeof stack === "string" && { stack: stack.slice(0, 32_768) }),
    ...(isPlace(line) && isPlace(column) && { line, column }),
  };
}

const HEADERS_MAX = 256;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;
const UNSAFE_VALUE = /[\0\r\n]|[^\0-\xff]/;

/** Checks header pairs from a guest: tokens as names, no line ends in values. @throws {WireError} */
export function checkPairs(value: unknown): Pairs {
  if (!Array.isArray(value) || value.length > HEADERS_MAX) {
    throw new WireError(`Cannot read headers: expected a list of at most ${HEADERS_MAX}`);
  }
  for (const pair of value as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) throw new WireError("Cannot read headers: expected pairs");
    const [name, text] = pair as unknown[];
    if (typeof name !== "string" || !TOKEN.test(name))
      throw new WireError("Cannot read headers: a name is not a token");
    if (typeof text !== "string" || UNSAFE_VALUE.test(text)) {
      throw new WireError(`Cannot read header "${name}": its value holds what no header may`);
    }
  }
  return value as Pairs;
}

function isPlace(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value < 1e9;
}
