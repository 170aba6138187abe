/**
 * The texts inside frames: what heads and resets hold, and the checks of what a peer sends.
 *
 * Heads are JSON with short keys: one native call on each side, and still readable in a trace. Whatever comes from a
 * guest is checked here, by hand, before anything else sees it; a failed check is a `WireError`.
 */
import { WireError } from "./frame.ts";

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
  readonly x?: "rpc" | "scheduled" | "queue" | "event" | "hook";
  /** Milliseconds since the epoch at which the invocation is ended. */
  readonly d: number;
  /** Whether a body follows. */
  readonly b?: 1;
  /** Whether it asks for a WebSocket. */
  readonly w?: 1;
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
  /** Its program is not ready for another invocation yet; `ready` will say when it is. */
  readonly waits?: boolean;
}

const decoder = new TextDecoder();

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
  const { code, message, stack, line, column, waits } = parseObject(payload);
  return {
    code: typeof code === "string" ? code : "",
    ...(typeof message === "string" && { message: message.slice(0, 16_384) }),
    ...(typeof stack === "string" && { stack: stack.slice(0, 32_768) }),
    ...(isPlace(line) && isPlace(column) && { line, column }),
    ...(waits === true && { waits }),
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
