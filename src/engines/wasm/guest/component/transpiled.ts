/** What jco makes of a component, as one payload: the script that joins its core modules, and these. */
import { decodeParcel, encodeParcel } from "../../../../wire/parcels.ts";

/** A component that has been transpiled. */
export interface Transpiled {
  /** The source of an ECMAScript module that exports `instantiate`. */
  readonly script: Uint8Array;
  /** The core modules by the names that the script asks for. */
  readonly modules: ReadonlyMap<string, Uint8Array>;
}

/** The payload. */
export function packTranspiled({ script, modules }: Transpiled): Uint8Array {
  const files = [["", script] as const, ...modules];
  const sizes = files.map(([name, bytes]) => [name, bytes.length] as const);
  const all = new Uint8Array(sizes.reduce((sum, [, size]) => sum + size, 0));
  let at = 0;
  for (const [, bytes] of files) {
    all.set(bytes, at);
    at += bytes.length;
  }
  return encodeParcel(sizes, all);
}

/** What is in a payload. @throws {Error} when it is none */
export function unpackTranspiled(payload: Uint8Array): Transpiled {
  const { json, bytes } = decodeParcel(payload);
  const modules = new Map<string, Uint8Array>();
  let at = 0;
  for (const [name, size] of json as readonly (readonly [string, number])[]) {
    modules.set(name, bytes.subarray(at, at + size));
    at += size;
  }
  const script = modules.get("") ?? new Uint8Array(0);
  modules.delete("");
  return { script, modules };
}
