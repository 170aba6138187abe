/** Calls of the host, and what every one of them is made of. */
import type { GuestAnswer } from "../../../core/guest.ts";

/** A call of the host. */
export type BlobCall = (
  method: string,
  url: string,
  headers?: [string, string][],
  body?: ReadableStream<Uint8Array> | null,
) => Promise<GuestAnswer>;

/** The address of an object or an upload. */
export function addressOf(what: "objects" | "uploads", key: unknown): string {
  if (typeof key !== "string" || !key.isWellFormed()) {
    throw new TypeError(`Cannot use the bucket: expected a key that is well-formed text, not ${typeof key}`);
  }
  return `/${what}/${encodeURIComponent(key)}`;
}

/** What is to be put, as a body. */
export function bodyOf(value: unknown): ReadableStream<Uint8Array> | null {
  const fits =
    value === null ||
    typeof value === "string" ||
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value) ||
    value instanceof Blob ||
    value instanceof ReadableStream;
  if (fits) return new Response(value as ConstructorParameters<typeof Response>[0]).body;
  throw new TypeError("Cannot put: expected a ReadableStream, an ArrayBuffer, a view of one, a text, null or a Blob");
}
