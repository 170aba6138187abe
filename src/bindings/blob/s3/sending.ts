/** Bodies on their way to a store that must know their length: short ones at once, long ones in parts. */

import type { Incoming } from "../backend.ts";
import { Digests } from "../digests.ts";
import { BLOB_LIMITS } from "../limits.ts";
import { CHECKSUM_NAMES, type PutFacts } from "../object.ts";
import { ended, mismatch, overQuota, tooLarge } from "../refused.ts";
import type { S3Client } from "./client.ts";
import { etagOf } from "./headers.ts";

/** Bytes of a part that we make, and of the longest body that goes up at once. */
const PART_BYTES = 8 * 1024 * 1024;
/** The longest part that a program may send: it is gathered here. */
const GIVEN_PART_BYTES_MAX = 64 * 1024 * 1024;

/** What a project may still put, in bytes, and its quota. */
export interface Room {
  readonly bytes: number;
  readonly quotaBytes: number;
}

/** A body and what goes with it. */
export interface Sending {
  readonly name: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly incoming: Incoming;
  readonly facts: PutFacts;
  readonly room: Room;
}

/** Sends a body; undefined where the store says that a condition does not hold. @throws {IsopodError} */
export async function sendBody(client: S3Client, sending: Sending): Promise<true | undefined> {
  const { name, headers, incoming, facts, room } = sending;
  const names = CHECKSUM_NAMES.filter((each) => facts.checksums[each] !== undefined);
  const digests = new Digests(names);
  const pieces = partsOf(incoming, room, digests);
  const check = () => {
    const found = digests.hex();
    for (const each of names) if (found[each] !== facts.checksums[each]) throw mismatch(each);
  };
  const first = await pieces.next();
  const second = first.done ? first : await pieces.next();
  if (second.done) {
    check();
    const body = first.done ? new Uint8Array() : first.value;
    const answer = await client.send({ method: "PUT", key: name, headers, body }, [200, 412, 409]);
    return answer.status === 200 ? true : undefined;
  }
  return sendParts(client, sending, first.done ? [] : [first.value, second.value], pieces, check);
}

async function sendParts(
  client: S3Client,
  { name, headers }: Sending,
  begun: readonly Uint8Array[],
  rest: AsyncGenerator<Uint8Array, void>,
  check: () => void,
): Promise<true | undefined> {
  const { "if-match": ifMatch, "if-none-match": ifNoneMatch, ...kept } = headers;
  const began = await client.sendForXml({ method: "POST", key: name, query: { uploads: "" }, headers: kept });
  const { UploadId } = began.InitiateMultipartUploadResult as { readonly UploadId: string };
  const parts: string[] = [];
  const sendPart = async (body: Uint8Array) => {
    const query = { uploadId: UploadId, partNumber: String(parts.length + 1) };
    const answer = await client.send({ method: "PUT", key: name, query, body }, [200]);
    parts.push(etagOf(answer.headers.get("etag")));
  };
  try {
    for (const part of begun) await sendPart(part);
    for await (const part of rest) await sendPart(part);
    check();
    const xml = parts
      .map((etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>"${etag}"</ETag></Part>`)
      .join("");
    const conditions = {
      ...(ifMatch && { "if-match": ifMatch }),
      ...(ifNoneMatch && { "if-none-match": ifNoneMatch }),
    };
    const body = `<CompleteMultipartUpload>${xml}</CompleteMultipartUpload>`;
    const query = { uploadId: UploadId };
    const answer = await client.send({ method: "POST", key: name, query, headers: conditions, body }, [200, 412, 409]);
    if (answer.status === 200) {
      await answer.body?.cancel();
      return true;
    }
  } catch (error) {
    await client.send({ method: "DELETE", key: name, query: { uploadId: UploadId } }, [204, 404]).catch(() => {});
    throw error;
  }
  await client.send({ method: "DELETE", key: name, query: { uploadId: UploadId } }, [204, 404]);
  return undefined;
}

/** A body in parts of `PART_BYTES`, the last one shorter; none for an empty one. */
async function* partsOf({ body, signal }: Incoming, room: Room, digests: Digests): AsyncGenerator<Uint8Array, void> {
  const reader = body?.getReader();
  const cancel = () => void reader?.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  if (signal.aborted) cancel();
  let part = new Uint8Array(PART_BYTES);
  let filled = 0;
  let bytes = 0;
  try {
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { done: true };
      if (signal.aborted) throw ended();
      if (done || value === undefined) break;
      bytes += value.length;
      checkLength(bytes, room, BLOB_LIMITS.putBytesMax);
      digests.update(value);
      for (let at = 0; at < value.length; ) {
        const taken = Math.min(PART_BYTES - filled, value.length - at);
        part.set(value.subarray(at, at + taken), filled);
        filled += taken;
        at += taken;
        if (filled < PART_BYTES) continue;
        yield part;
        part = new Uint8Array(PART_BYTES);
        filled = 0;
      }
    }
    if (filled > 0) yield part.subarray(0, filled);
  } finally {
    cancel();
    signal.removeEventListener("abort", cancel);
  }
}

/** A whole body that must be short. @throws {IsopodError} `value_too_large`, `quota_exceeded` */
export async function takeAll(incoming: Incoming, room: Room): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of partsOf(incoming, room, new Digests([]))) {
    bytes += part.length;
    if (bytes > GIVEN_PART_BYTES_MAX)
      throw tooLarge("the part is longer", { name: "partBytesMax", value: GIVEN_PART_BYTES_MAX });
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function checkLength(bytes: number, { bytes: left, quotaBytes }: Room, max: number): void {
  if (bytes > max) throw tooLarge("the object is longer", { name: "putBytesMax", value: max });
  if (bytes > left) throw overQuota(quotaBytes - left + bytes, quotaBytes);
}
