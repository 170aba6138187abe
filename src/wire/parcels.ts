/** Parcels: a JSON value and bytes in one payload, by which a guest is told how to close itself down, and its program. */
import type { PageLayout } from "../core/browser_program.ts";
import type { GuestDeclaration } from "../core/guest.ts";
import type { ProcessSettings } from "../core/process_program.ts";
import { readU32, WireError } from "./frame.ts";
import { parseJson } from "./heads.ts";
import type { WasmLoad } from "./wasm_load.ts";

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
  readonly language: "typescript" | "javascript" | "wasm" | "component";
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
  /** What stands for its project in names of AWS's form. */
  readonly account?: string;
  /** Of a module: where it ends in the parcel's bytes, and what follows it there. */
  readonly wasm?: WasmLoad;
  /** What its instance may use, as far as its guest must know: the memory, in bytes. */
  readonly memoryBytes?: number;
  /** What a build is to run in; Bun when left out. */
  readonly target?: "browser";
  /** What the parcel's bytes are, for a page. */
  readonly browser?: PageLayout;
}

const encoder = new TextEncoder();

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
