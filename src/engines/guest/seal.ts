/** Closes the guest down: resource limits, then the seccomp filter that leaves it computing and one channel. */
import { decodeParcel, type HelloParcel } from "../../wire/parcels.ts";
import { installFilter, setResourceLimit, softLimit } from "./libc.ts";

/** Linux's number of the limit on private writable memory. */
const RLIMIT_DATA = 2;

/**
 * Applies the host's first frame: its limits, and its filter when there is one.
 * @returns whether a filter was installed
 * @throws {Error} when anything of it fails; the guest must then end
 */
export function applyHello(payload: Uint8Array): boolean {
  const { json, bytes } = decodeParcel(payload);
  const { rlimits, dataBytes } = json as HelloParcel;
  if (dataBytes > 0 && softLimit(RLIMIT_DATA) !== dataBytes) throw new Error("Cannot start: RLIMIT_DATA came too late");
  for (const [resource, value] of rlimits) setResourceLimit(resource, value);
  if (bytes.length === 0) return false;
  installFilter(bytes.slice());
  return true;
}
