/** Uploads in parts: `POST ?` begins, `PUT ?id=&part=` sends a part, `POST ?id=` completes, `DELETE ?id=` gives up. */
import type { BindingAnswer, BindingCall } from "../../core/binding.ts";
import type { BlobBackend, Bucket } from "./backend.ts";
import { factsOf } from "./facts.ts";
import { BLOB_LIMITS } from "./limits.ts";
import type { UploadedPart } from "./object.ts";
import { noUpload, refused } from "./refused.ts";
import { bodyJson } from "./request.ts";

/** A call that is about an upload. */
export interface UploadCall {
  readonly call: BindingCall;
  readonly bucket: Bucket;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly signal: AbortSignal;
}

const PARTS_BYTES_MAX = BLOB_LIMITS.partsMax * 200;

/** Answers one. @throws {IsopodError} */
export async function callUpload(
  backend: BlobBackend,
  { call, bucket, key, query, signal }: UploadCall,
): Promise<BindingAnswer> {
  const id = query.get("id");
  if (id === null) {
    if (call.method !== "POST") throw refused("expected the id of an upload");
    return json({ id: await backend.createUpload(bucket, key, factsOf(call)) });
  }
  // A store of S3's kind has ids of its own; none holds anything else.
  if (!/^[A-Za-z0-9._~+/=-]{1,1024}$/.test(id)) throw noUpload();
  if (call.method === "PUT") {
    const part = Number(query.get("part"));
    if (!Number.isInteger(part) || part < 1 || part > BLOB_LIMITS.partsMax) {
      throw refused(`expected the number of a part, from 1 to ${BLOB_LIMITS.partsMax}`);
    }
    return json(await backend.putPart(bucket, key, id, part, { body: call.body, signal }));
  }
  if (call.method === "DELETE") {
    await backend.abortUpload(bucket, key, id);
    return json({});
  }
  if (call.method !== "POST") throw refused(`expected POST, PUT or DELETE, not ${call.method}`);
  return json(await backend.completeUpload(bucket, key, id, partsOf(await bodyJson(call, PARTS_BYTES_MAX))));
}

function partsOf(value: unknown): UploadedPart[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > BLOB_LIMITS.partsMax) {
    throw refused(`expected from 1 to ${BLOB_LIMITS.partsMax} parts`);
  }
  const parts = value.map((part: unknown) => {
    const { partNumber, etag } = (typeof part === "object" && part !== null ? part : {}) as Partial<UploadedPart>;
    if (!Number.isInteger(partNumber) || typeof etag !== "string")
      throw refused("expected parts with partNumber and etag");
    return { partNumber: partNumber as number, etag };
  });
  parts.sort((first, second) => first.partNumber - second.partNumber);
  if (parts.some(({ partNumber }, at) => partNumber === parts[at - 1]?.partNumber))
    throw refused("a part stands twice");
  return parts;
}

function json(value: unknown): BindingAnswer {
  const body = new TextEncoder().encode(JSON.stringify(value));
  return { status: 200, headers: [["content-type", "application/json"]], body, url: "", redirected: false };
}
