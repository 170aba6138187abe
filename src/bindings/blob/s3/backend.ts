/**
 * Blobs on a store that speaks S3's protocol: one bucket for the server, in which every key begins with project and
 * bucket.
 *
 * Bodies whose length nobody knows go up in parts. Conditions on a put are asked of the object before it, and handed to
 * the store as far as S3 has them, which decides. Uploads that nobody completes are the store's own rules' to remove.
 */
import { IsopodError } from "../../../core/errors.ts";
import { type BlobBackend, type Bucket, type Incoming, rangeOf } from "../backend.ts";
import {
  type BlobObject,
  type Conditions,
  holds,
  type ListPage,
  type ListQuery,
  type PutFacts,
  type UploadedPart,
} from "../object.ts";
import { noUpload, refused } from "../refused.ts";
import type { S3Client } from "./client.ts";
import { etagOf, headersOf, objectOf } from "./headers.ts";
import { pageOf } from "./pages.ts";
import { sendBody, takeAll } from "./sending.ts";
import type { Usage } from "./usage.ts";

/** Requests of one deletion that are under way at a time. */
const DELETIONS_MAX = 16;

/** Creates the backend. */
export function createS3Backend(client: S3Client, usage: Usage): BlobBackend {
  return new S3Backend(client, usage);
}

class S3Backend implements BlobBackend {
  readonly #client: S3Client;
  readonly #usage: Usage;

  constructor(client: S3Client, usage: Usage) {
    this.#client = client;
    this.#usage = usage;
  }

  async head(bucket: Bucket, key: string): Promise<BlobObject | undefined> {
    const answer = await this.#client.send({ method: "HEAD", key: nameOf(bucket, key) }, [200, 404]);
    return answer.status === 404 ? undefined : objectOf(key, answer);
  }

  async get(bucket: Bucket, key: string, how: Parameters<BlobBackend["get"]>[2]): ReturnType<BlobBackend["get"]> {
    const { conditions, range: asked, signal } = how;
    for (;;) {
      const object = await this.head(bucket, key);
      if (object === undefined || !holds(conditions, object)) return object;
      const range = asked === undefined ? { offset: 0, length: object.size } : rangeOf(asked, object.size);
      if (range === undefined) throw refused(`the object has ${object.size} bytes, and none of the range`);
      const part = { range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
      const headers = { "if-match": `"${object.etag}"`, ...(range.length < object.size && part) };
      const request = { method: "GET", key: nameOf(bucket, key), headers, signal };
      const answer = await this.#client.send(request, [200, 206, 412, 404]);
      // Another one has taken its place meanwhile.
      if (answer.status === 412 || answer.status === 404) continue;
      return { object, range, body: answer.body ?? new Blob([]).stream() };
    }
  }

  async put(
    bucket: Bucket,
    key: string,
    incoming: Incoming,
    { facts, conditions }: Parameters<BlobBackend["put"]>[3],
  ): Promise<BlobObject | undefined> {
    const before = await this.head(bucket, key);
    if (!holds(conditions, before)) return undefined;
    const name = nameOf(bucket, key);
    const headers = { ...headersOf(facts), ...conditionHeaders(conditions) };
    const room = await this.#usage.room(bucket.project);
    const sent = await sendBody(this.#client, { name, headers, incoming, facts, room });
    return sent && this.#made(bucket, key, before);
  }

  async delete(bucket: Bucket, keys: readonly string[]): Promise<void> {
    const left = [...keys];
    const work = async () => {
      for (let key = left.pop(); key !== undefined; key = left.pop()) await this.#remove(bucket, key);
    };
    await Promise.all(Array.from({ length: Math.min(DELETIONS_MAX, keys.length) }, work));
  }

  async list({ project, name }: Bucket, { prefix, delimiter, after, limit }: ListQuery): Promise<ListPage> {
    const root = `${this.#client.prefix}${project}/${name}/`;
    const query = {
      ...{ "list-type": "2", prefix: root + prefix, "max-keys": String(limit) },
      ...(delimiter !== undefined && { delimiter }),
      ...(after !== undefined && { "start-after": root + behind(after, prefix, delimiter) }),
    };
    return pageOf(await this.#client.sendForXml({ method: "GET", key: "", query }), root.length);
  }

  async createUpload(bucket: Bucket, key: string, facts: PutFacts): Promise<string> {
    const request = { method: "POST", key: nameOf(bucket, key), query: { uploads: "" }, headers: headersOf(facts) };
    const { InitiateMultipartUploadResult: made } = (await this.#client.sendForXml(request)) as Xml;
    return String(made?.UploadId);
  }

  async putPart(bucket: Bucket, key: string, id: string, part: number, incoming: Incoming): Promise<UploadedPart> {
    const body = await takeAll(incoming, await this.#usage.room(bucket.project));
    const query = { uploadId: id, partNumber: String(part) };
    const answer = await this.#client.send({ method: "PUT", key: nameOf(bucket, key), query, body }, [200, 404]);
    if (answer.status === 404) throw noUpload();
    return { partNumber: part, etag: etagOf(answer.headers.get("etag")) };
  }

  async completeUpload(bucket: Bucket, key: string, id: string, parts: readonly UploadedPart[]): Promise<BlobObject> {
    const before = await this.head(bucket, key);
    const body = completion(parts);
    await this.#client.sendForXml({ method: "POST", key: nameOf(bucket, key), query: { uploadId: id }, body });
    return this.#made(bucket, key, before);
  }

  async abortUpload(bucket: Bucket, key: string, id: string): Promise<void> {
    const request = { method: "DELETE", key: nameOf(bucket, key), query: { uploadId: id } };
    if ((await this.#client.send(request, [204, 404])).status === 404) throw noUpload();
  }

  async removeProject(project: string): Promise<void> {
    await this.#usage.forEach(project, async (name) => {
      await this.#client.send({ method: "DELETE", key: name }, [204, 200, 404]);
    });
    this.#usage.forget(project);
  }

  async close(): Promise<void> {}

  /** What the store has now, in the place of `before`. */
  async #made(bucket: Bucket, key: string, before: BlobObject | undefined): Promise<BlobObject> {
    const made = await this.head(bucket, key);
    if (made === undefined)
      throw new IsopodError("binding_failed", { message: "Cannot put: the object is gone again" });
    this.#usage.changed(bucket.project, made.size - (before?.size ?? 0));
    return made;
  }

  async #remove(bucket: Bucket, key: string): Promise<void> {
    const before = await this.head(bucket, key);
    if (before === undefined) return;
    await this.#client.send({ method: "DELETE", key: nameOf(bucket, key) }, [204, 200]);
    this.#usage.changed(bucket.project, -before.size);
  }
}

type Xml = Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>>;

/** Where an object is. Parts of an address that say "here" or "above" would lead elsewhere. @throws {IsopodError} `bad_request` */
function nameOf({ project, name }: Bucket, key: string): string {
  if (key.split("/").some((part) => part === "." || part === "..")) {
    throw refused('on this store, no part of a key between "/" may be "." or ".."');
  }
  return `${project}/${name}/${key}`;
}

/** What S3 decides itself. */
function conditionHeaders({ etagMatches, etagDoesNotMatch }: Conditions): Record<string, string> {
  if (etagDoesNotMatch?.includes("*")) return { "if-none-match": "*" };
  const [etag] = etagMatches ?? [];
  return etagMatches?.length === 1 && etag !== undefined && etag !== "*" ? { "if-match": `"${etag}"` } : {};
}

/** A common prefix is one entry: what follows it stands behind all that begin with it. */
function behind(after: string, prefix: string, delimiter: string | undefined): string {
  const isFolder = delimiter !== undefined && after.endsWith(delimiter) && after.length > prefix.length;
  return isFolder ? `${after}\u{10ffff}` : after;
}

function completion(parts: readonly UploadedPart[]): string {
  const each = parts.map(({ partNumber, etag }) => {
    if (!/^[0-9a-fA-F"-]{1,100}$/.test(etag)) throw refused(`part ${partNumber} has another etag`);
    return `<Part><PartNumber>${partNumber}</PartNumber><ETag>"${etagOf(etag)}"</ETag></Part>`;
  });
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${each.join("")}</CompleteMultipartUpload>`;
}
