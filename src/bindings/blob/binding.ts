/**
 * The blob binding: buckets of objects of any size, as Cloudflare's R2 has them, on local files or on a store that speaks
 * S3's protocol.
 *
 * Whose objects a call reaches says its grant alone: project and bucket stand there, mode and prefix are checked here.
 */
import type { Binding, BindingAnswer, BindingCall, CallScope } from "../../core/binding.ts";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import type { Body, HeaderList } from "../../core/invocation.ts";
import type { BlobBackend, Bucket } from "./backend.ts";
import { factsOf } from "./facts.ts";
import { BLOB_LIMITS } from "./limits.ts";
import type { BlobObject, ByteRange } from "./object.ts";
import { ended, refused } from "./refused.ts";
import { bodyJson, checkKey, checkMayWrite, conditionsOf, decoded, listQueryOf, rangeQueryOf } from "./request.ts";
import { callUpload } from "./uploads.ts";

const OBJECTS = "/objects/";
const UPLOADS = "/uploads/";
/** A list of keys as JSON, each byte escaped at worst. */
const DELETIONS_BYTES_MAX = BLOB_LIMITS.deleteKeysMax * BLOB_LIMITS.keyBytesMax * 6;

/** Creates the binding on a backend, which it closes. */
export function createBlobs(backend: BlobBackend): Binding {
  return new Blobs(backend);
}

class Blobs implements Binding {
  readonly type = "blob";
  readonly #backend: BlobBackend;
  #closed = false;

  constructor(backend: BlobBackend) {
    this.#backend = backend;
  }

  async call(call: BindingCall, grant: BindingGrant, scope: CallScope): Promise<BindingAnswer> {
    if (this.#closed || scope.signal.aborted) throw ended();
    const bucket = { project: grant.project, name: grant.resource };
    const [path = "", query = ""] = call.url.split("?", 2);
    if (path.startsWith(OBJECTS)) {
      const key = checkKey(decoded(path.slice(OBJECTS.length), "the key"), grant);
      return this.#callObject(call, bucket, key, grant, scope);
    }
    if (path.startsWith(UPLOADS)) {
      const key = checkKey(decoded(path.slice(UPLOADS.length), "the key"), grant);
      checkMayWrite(grant);
      return callUpload(this.#backend, { call, bucket, key, query: new URLSearchParams(query), signal: scope.signal });
    }
    if (`${call.method} ${path}` === "GET /objects") return this.#list(bucket, grant, new URLSearchParams(query));
    if (`${call.method} ${path}` === "POST /deletions") return this.#deleteMany(call, bucket, grant);
    throw refused(`nothing is at "${call.method} ${path.slice(0, 100)}"`);
  }

  removeProject(project: string): Promise<void> {
    return this.#backend.removeProject(project);
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#backend.close();
  }

  async #callObject(
    call: BindingCall,
    bucket: Bucket,
    key: string,
    grant: BindingGrant,
    { signal }: CallScope,
  ): Promise<BindingAnswer> {
    if (call.method === "HEAD") {
      const object = await this.#backend.head(bucket, key);
      return object === undefined ? answer(404) : answer(200, headersOf(object));
    }
    if (call.method === "GET") {
      const how = { conditions: conditionsOf(call), range: rangeQueryOf(call), signal };
      const found = await this.#backend.get(bucket, key, how);
      if (found === undefined) return answer(404);
      if (!("body" in found)) return answer(412, headersOf(found));
      const { object, range, body } = found;
      return answer(range.length === object.size ? 200 : 206, headersOf(object, range), body);
    }
    checkMayWrite(grant);
    if (call.method === "DELETE") {
      await this.#backend.delete(bucket, [key]);
      return answer(204);
    }
    if (call.method !== "PUT") throw refused(`expected HEAD, GET, PUT or DELETE, not ${call.method}`);
    const how = { facts: factsOf(call), conditions: conditionsOf(call) };
    const made = await this.#backend.put(bucket, key, { body: call.body, signal }, how);
    return made === undefined ? answer(412) : answer(200, headersOf(made));
  }

  async #list(bucket: Bucket, grant: BindingGrant, query: URLSearchParams): Promise<BindingAnswer> {
    const { objects, prefixes, after } = await this.#backend.list(bucket, listQueryOf(query, grant));
    const cursor = after && Buffer.from(after).toString("base64url");
    return json({ objects, prefixes, cursor });
  }

  async #deleteMany(call: BindingCall, bucket: Bucket, grant: BindingGrant): Promise<BindingAnswer> {
    checkMayWrite(grant);
    const keys = await bodyJson(call, DELETIONS_BYTES_MAX);
    if (!Array.isArray(keys) || keys.length > BLOB_LIMITS.deleteKeysMax) {
      throw refused(`expected a list of at most ${BLOB_LIMITS.deleteKeysMax} keys`);
    }
    const checked = keys.map((key: unknown) => checkKey(key, grant));
    await this.#backend.delete(bucket, checked);
    return answer(204);
  }
}

function headersOf(object: BlobObject, range?: ByteRange): HeaderList {
  const all: HeaderList = [
    ["object", encodeURIComponent(JSON.stringify(object))],
    ["etag", `"${object.etag}"`],
  ];
  return range === undefined ? all : [...all, ["object-range", `${range.offset}+${range.length}`]];
}

function json(value: unknown): BindingAnswer {
  return answer(200, [["content-type", "application/json"]], new TextEncoder().encode(JSON.stringify(value)));
}

function answer(status: number, headers: HeaderList = [], body: Body = null): BindingAnswer {
  return { status, headers, body, url: "", redirected: false };
}
