/**
 * A bucket as a program finds it on `env`: what Cloudflare's R2 has, so that code written for that runs.
 *
 * Options are checked here for what would be a mistake of the program; what it may do is the host's to say.
 */
import type { GuestAnswer, GuestBinding, GuestPort } from "../../../core/guest.ts";
import { addressOf, type BlobCall, bodyOf } from "./calls.ts";
import { type Facts, R2Object, R2ObjectBody } from "./object.ts";
import { type GetOptions, getHeaders, type ListOptions, listQuery, type PutOptions, putHeaders } from "./options.ts";
import { R2MultipartUpload } from "./upload.ts";

/** Makes buckets. */
export const blobGuest: GuestBinding = {
  type: "blob",
  create: (port, { name }) => new R2Bucket(port, name),
};

/** What can be put. */
type Value = ReadableStream<Uint8Array> | ArrayBuffer | ArrayBufferView | string | null | Blob;

class R2Bucket {
  readonly #call: BlobCall;

  constructor(port: GuestPort, name: string) {
    this.#call = (method, url, headers = [], body = null) =>
      port.call(name, { method, url, headers, body, redirect: "manual", signal: undefined });
  }

  /** What is known of an object; null when there is none. */
  async head(key: string): Promise<R2Object | null> {
    const answer = await this.#call("HEAD", addressOf("objects", key));
    return answer.status === 404 ? null : new R2Object(factsOf(answer));
  }

  /** An object with its bytes; without them where `onlyIf` does not hold; null when there is none. */
  async get(key: string, options: GetOptions = {}): Promise<R2Object | R2ObjectBody | null> {
    const answer = await this.#call("GET", addressOf("objects", key), getHeaders(options));
    if (answer.status === 404) return null;
    if (answer.status === 412) return new R2Object(factsOf(answer));
    return new R2ObjectBody(factsOf(answer), answer.body);
  }

  /** Keeps an object; it is on the disk when this resolves. Null where `onlyIf` does not hold. */
  async put(key: string, value: Value, options: PutOptions = {}): Promise<R2Object | null> {
    const answer = await this.#call("PUT", addressOf("objects", key), putHeaders(options), bodyOf(value));
    return answer.status === 412 ? null : new R2Object(factsOf(answer));
  }

  /** Removes objects, up to 1000 at once, as far as they are there. */
  async delete(keys: string | readonly string[]): Promise<void> {
    if (typeof keys === "string") await this.#call("DELETE", addressOf("objects", keys));
    else await this.#call("POST", "/deletions", [], bodyOf(JSON.stringify(keys)));
  }

  /** Objects in the order of their keys' bytes, up to 1000 at a time. */
  async list(options: ListOptions = {}): Promise<object> {
    const { body } = await this.#call("GET", `/objects?${listQuery(options)}`);
    const { objects, prefixes, cursor } = (await new Response(body).json()) as Listed;
    const truncated = cursor !== undefined;
    return {
      objects: objects.map((facts) => new R2Object(facts)),
      delimitedPrefixes: prefixes,
      truncated,
      ...(truncated && { cursor }),
    };
  }

  /** Begins an upload in parts. */
  async createMultipartUpload(key: string, options: PutOptions = {}): Promise<R2MultipartUpload> {
    const { body } = await this.#call("POST", addressOf("uploads", key), putHeaders(options));
    const { id } = (await new Response(body).json()) as { readonly id: string };
    return new R2MultipartUpload(this.#call, key, id);
  }

  /** Goes on with an upload; whether there is one is told by what is asked of it. */
  resumeMultipartUpload(key: string, uploadId: string): R2MultipartUpload {
    return new R2MultipartUpload(this.#call, key, uploadId);
  }
}

interface Listed {
  readonly objects: readonly Facts[];
  readonly prefixes: readonly string[];
  readonly cursor?: string;
}

function factsOf({ headers }: GuestAnswer): Facts {
  const find = (name: string) => headers.find(([each]) => each === name)?.[1];
  const facts = JSON.parse(decodeURIComponent(find("object") ?? "")) as Facts;
  const [offset, length] = find("object-range")?.split("+").map(Number) ?? [];
  return offset === undefined || length === undefined ? facts : { ...facts, range: { offset, length } };
}
