/** The values of many keys in one answer: a list of what each entry is, and behind it the bytes of all values. */
import { IsopodError } from "../../core/errors.ts";
import { encodeParcel } from "../../wire/parcels.ts";
import { KV_LIMITS } from "./limits.ts";
import type { KvProject } from "./project.ts";

/** Reads `keys`, whose order is that of the list; null stands for one that is not there. @throws {IsopodError} */
export async function readMany(
  project: KvProject,
  namespace: string,
  keys: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<Uint8Array> {
  const found: (readonly [bytes: number, revision: number, metadata: string | null] | null)[] = [];
  const values: Uint8Array[] = [];
  let bytes = 0;
  for (const key of keys) {
    signal.throwIfAborted();
    const opened = await project.open(namespace, key);
    if (opened === undefined) {
      found.push(null);
      continue;
    }
    const { entry, file } = opened;
    bytes += entry.bytes;
    found.push([entry.bytes, entry.revision, entry.metadata]);
    try {
      if (bytes > KV_LIMITS.manyBytesMax) throw tooMuch();
      values.push(file === undefined ? (entry.value ?? new Uint8Array()) : await file.readFile());
    } finally {
      await file?.close();
    }
  }
  return encodeParcel(found, Buffer.concat(values));
}

function tooMuch(): IsopodError {
  const value = KV_LIMITS.manyBytesMax;
  return new IsopodError("value_too_large", {
    message: `Cannot get the keys at once: their values are longer than ${value} bytes together`,
    limit: { name: "manyBytesMax", value },
  });
}
