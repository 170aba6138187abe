/**
 * Blobs on a store that speaks S3's protocol: one bucket for the server, in which every key begins with project and
 * bucket. How an object is changed says `changes.ts`, what a project keeps `usage.ts`.
 */
import type { Clock } from "../../../core/clock.ts";
import { type BlobBackend, type Bucket, type Incoming, rangeOf } from "../backend.ts";
import { Life } from "../life.ts";
import { type BlobObject, holds, type PutFacts, type UploadedPart } from "../object.ts";
import { ended } from "../refused.ts";
import { eachAtOnce } from "./at_once.ts";
import { checkedBody } from "./body.ts";
import { type ObjectOf, S3Changes } from "./changes.ts";
import type { S3Client } from "./client.ts";
import { headersOf } from "./headers.ts";
import { listBucket, removeAll } from "./lists.ts";
import { nameOf } from "./names.ts";
import type { Spool } from "./spool.ts";
import { S3Uploads } from "./uploads.ts";
import type { Usage } from "./usage.ts";

/** How often uploads that nobody completes are looked for. */
const SWEEP_MS = 3_600_000;

/** As long as each: metadata that is too long is refused before the body comes. */
const ANY_MD5 = "0".repeat(32);

/** What the backend is made of. */
export interface S3BackendOptions {
  readonly client: S3Client;
  readonly usage: Usage;
  readonly spool: Spool;
  readonly clock: Clock;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Creates the backend. */
export function createS3Backend(options: S3BackendOptions): BlobBackend {
  return new S3Backend(options);
}

class S3Backend implements BlobBackend {
  readonly #options: S3BackendOptions;
  readonly #client: S3Client;
  readonly #uploads: S3Uploads;
  readonly #changes: S3Changes;
  readonly #life = new Life("the store of blobs");
  readonly #cancelSweep: () => void;

  constructor(options: S3BackendOptions) {
    const { client, usage, clock, report } = options;
    this.#options = options;
    this.#client = client;
    this.#changes = new S3Changes(client, usage);
    this.#uploads = new S3Uploads(options);
    this.#cancelSweep = clock.every(SWEEP_MS, () => {
      this.#life
        .during(() => this.#uploads.collect())
        .catch((error) => report("Uploads of blobs that nobody completes cannot be removed", { cause: String(error) }));
    });
  }

  head(bucket: Bucket, key: string): Promise<BlobObject | undefined> {
    return this.#life.during(() => this.#changes.head(this.#of(bucket, key)));
  }

  get(bucket: Bucket, key: string, how: Parameters<BlobBackend["get"]>[2]): ReturnType<BlobBackend["get"]> {
    const signal = this.#until(how.signal);
    return this.#life.during(async () => {
      const of = this.#of(bucket, key);
      for (;;) {
        if (signal.aborted) throw ended();
        const object = await this.#changes.head(of);
        if (object === undefined || !holds(how.conditions, object)) return object;
        const range = rangeOf(how.range, object);
        const part = { range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
        const headers = { "if-match": `"${object.etag}"`, ...(range.length < object.size && part) };
        const request = { method: "GET", key: of.name, headers, signal };
        const answer = await this.#client.send(request, [200, 206, 412, 404]);
        if (answer.status === 200 || answer.status === 206) {
          this.#life.hold();
          return { object, range, body: checkedBody(answer.body, range.length, signal, () => this.#life.release()) };
        }
        // Another one has taken its place meanwhile.
        await answer.body?.cancel();
      }
    });
  }

  put(
    bucket: Bucket,
    key: string,
    { body, signal: given }: Incoming,
    { facts, conditions }: Parameters<BlobBackend["put"]>[3],
  ): Promise<BlobObject | undefined> {
    const signal = this.#until(given);
    return this.#life.during(async () => {
      const of = this.#of(bucket, key);
      const headersWith = (md5: string) => headersOf({ ...facts, checksums: { ...facts.checksums, md5 } });
      headersWith(ANY_MD5);
      // Said before the bytes are sent, where it can be.
      const before = await this.#changes.head(of);
      if (!holds(conditions, before)) return undefined;
      const count = await this.#options.usage.of(bucket.project);
      const place = count.room.enter(() => count.bytes - (before?.size ?? 0));
      return this.#options.spool.during({ body, signal }, { checksums: facts.checksums, place }, (file) => {
        const step = async (condition: Readonly<Record<string, string>>) => {
          const headers = { ...headersWith(file.md5), ...condition };
          const expected = Object.keys(condition).length > 0 ? [200, 404, 409, 412] : [200];
          const answer = await this.#client.send({ method: "PUT", key: of.name, headers, body: file }, expected);
          return answer.status === 200;
        };
        return this.#changes.replace(of, { conditions, bytes: file.bytes, step });
      });
    });
  }

  delete(bucket: Bucket, keys: readonly string[]): Promise<void> {
    return this.#life.during(async () => {
      const all = keys.map((key) => this.#of(bucket, key));
      await eachAtOnce(all, (of) => this.#changes.remove(of));
    });
  }

  list(bucket: Bucket, query: Parameters<BlobBackend["list"]>[1]): ReturnType<BlobBackend["list"]> {
    const head = (key: string) => this.#changes.head(this.#of(bucket, key));
    return this.#life.during(() => listBucket(this.#client, bucket, query, head));
  }

  createUpload(bucket: Bucket, key: string, facts: PutFacts): Promise<string> {
    return this.#life.during(() => this.#uploads.create(this.#of(bucket, key), facts));
  }

  putPart(bucket: Bucket, key: string, id: string, part: number, incoming: Incoming): Promise<UploadedPart> {
    const signal = this.#until(incoming.signal);
    return this.#life.during(() => {
      const of = { ...this.#of(bucket, key), id };
      return this.#uploads.putPart(of, part, { body: incoming.body, signal });
    });
  }

  completeUpload(bucket: Bucket, key: string, id: string, parts: readonly UploadedPart[]): Promise<BlobObject> {
    return this.#life.during(async () => {
      const of = { ...this.#of(bucket, key), id };
      const { count } = await this.#uploads.find(of);
      const step = async () => {
        await this.#uploads.complete(of, parts);
        count.end(id);
        return true;
      };
      return (await this.#changes.replace(of, { conditions: {}, bytes: undefined, step })) as BlobObject;
    });
  }

  abortUpload(bucket: Bucket, key: string, id: string): Promise<void> {
    return this.#life.during(() => this.#uploads.abort({ ...this.#of(bucket, key), id }));
  }

  removeProject(project: string): Promise<void> {
    return this.#life.during(async () => {
      await removeAll(this.#client, `${project}/`);
      this.#options.usage.forget(project);
    });
  }

  async close(): Promise<void> {
    this.#cancelSweep();
    await this.#life.end();
  }

  #until(signal: AbortSignal): AbortSignal {
    return AbortSignal.any([signal, this.#life.signal]);
  }

  /** @throws {IsopodError} `bad_request` */
  #of(bucket: Bucket, key: string): ObjectOf {
    return { project: bucket.project, name: nameOf(this.#client.prefix, bucket, key), key };
  }
}
