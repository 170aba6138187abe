/**
 * The headers by which a caller talks to the codeless endpoint: `Isopod-Env-NAME`, `Isopod-Args`,
 * `Isopod-Abi`, `Isopod-Integrity`, `Isopod-Engine`, `Accept`. Bounded in number and size; a mistake is named, never
 * skipped.
 */

import { parseBoundedJson } from "../../core/bounded_json.ts";
import { IsopodError } from "../../core/errors.ts";
import { WASM_ABIS, type WasmSettings } from "../../core/wasm_program.ts";
import { parseIntegrity } from "../sources/integrity.ts";

/** What the headers say. */
export interface CodelessHeaders {
  readonly env: Readonly<Record<string, string>>;
  readonly argsJson: string | undefined;
  readonly integrity: string | undefined;
  readonly events: boolean;
  /** How a module is to be spoken to. */
  readonly abi: WasmSettings["abi"];
  /** What the program is to run in: a page, or what its kind runs in when left out. */
  readonly engine: "browser" | undefined;
}

const ENV_PREFIX = "isopod-env-";
/** The most variables that a request may set. */
export const ENV_COUNT_MAX = 64;
/** The most that their names and values may take, in bytes. */
export const ENV_BYTES_MAX = 32 * 1024;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Reads the headers of a request to the codeless endpoint.
 * @throws {IsopodError} `bad_request`
 */
export function readCodelessHeaders(headers: Headers): CodelessHeaders {
  const args = headers.get("isopod-args");
  const integrity = headers.get("isopod-integrity");
  return {
    env: readEnvHeaders(headers),
    argsJson: args === null ? undefined : checkJson(decodeValue(args), "Isopod-Args"),
    integrity: integrity === null ? undefined : parseIntegrity(integrity),
    engine: readEngine(headers.get("isopod-engine")),
    events: acceptsEvents(headers.get("accept")),
    abi: readAbi(headers.get("isopod-abi")),
  };
}

/**
 * Checks variables that came in a request, from wherever, and copies them into an object without a prototype.
 * @throws {IsopodError} `bad_request`
 */
export function checkEnv(entries: Iterable<readonly [name: string, value: string]>): Record<string, string> {
  const env: Record<string, string> = Object.create(null);
  let count = 0;
  let bytes = 0;
  for (const [name, value] of entries) {
    if (!ENV_NAME.test(name)) {
      refuse(
        `Cannot set variable "${name.slice(0, 100)}": expected letters, digits and _, not beginning with a digit.`,
      );
    }
    if (name in env) refuse(`Cannot set variable "${name.slice(0, 100)}": it is given twice.`);
    if (value.includes("\u0000")) refuse(`Cannot set variable "${name.slice(0, 100)}": its value holds a zero byte.`);
    count += 1;
    bytes += name.length + Buffer.byteLength(value);
    if (count > ENV_COUNT_MAX) refuse(`Cannot set variables: there are more than ${ENV_COUNT_MAX}.`);
    if (bytes > ENV_BYTES_MAX) refuse(`Cannot set variables: they take more than ${ENV_BYTES_MAX} bytes in all.`);
    env[name] = value;
  }
  return env;
}

/**
 * `text`, once it has been seen to be JSON.
 * @throws {IsopodError} `bad_request`, calling it `what`.
 */
export function checkJson(text: string, what: string): string {
  parseBoundedJson(text, what);
  return text;
}

function readAbi(said: string | null): WasmSettings["abi"] {
  const abi = WASM_ABIS.find((each) => each === said);
  if (said !== null && abi === undefined) {
    refuse(`Cannot read Isopod-Abi: expected ${WASM_ABIS.join(" or ")}, not "${said.slice(0, 100)}".`);
  }
  return abi;
}

function readEnvHeaders(headers: Headers): Record<string, string> {
  const entries: [string, string][] = [];
  headers.forEach((value, name) => {
    if (!name.startsWith(ENV_PREFIX)) return;
    entries.push([name.slice(ENV_PREFIX.length).toUpperCase().replaceAll("-", "_"), decodeValue(value)]);
  });
  return checkEnv(entries);
}

/** A header's value: its bytes as UTF-8, which is what people send, else one character a byte, as HTTP has it. */
function decodeValue(value: string): string {
  if (!/[\u0080-\u00ff]/.test(value) || /[^\u0000-\u00ff]/.test(value)) return value;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(value, "latin1"));
  } catch {
    return value;
  }
}

/** Whether `text/event-stream` is named in Accept, and not only by a wildcard or with `q=0`. */
function acceptsEvents(accept: string | null): boolean {
  if (accept === null || !accept.toLowerCase().includes("text/event-stream")) return false;
  return accept.split(",").some((range) => {
    const [type = "", ...parameters] = range.split(";");
    if (type.trim().toLowerCase() !== "text/event-stream") return false;
    return !parameters.some((parameter) => /^\s*q\s*=\s*0(\.0*)?\s*$/i.test(parameter));
  });
}

function readEngine(said: string | null): "browser" | undefined {
  if (said === null || said === "script") return undefined;
  return said === "browser" ? said : refuse(`Cannot run in "${said.slice(0, 100)}": expected script or browser.`);
}

function refuse(message: string): never {
  throw new IsopodError("bad_request", { message });
}
