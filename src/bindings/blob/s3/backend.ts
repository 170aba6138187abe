/**
 * Blobs on a store that speaks S3's protocol: one bucket for the server, in which every key begins with project and
 * bucket.
 *
 * Changes of one key take turns, so that what they count is right; conditions are asked of the object then, and handed to
 * the store as far as S3 has them, which decides where another server writes too.
 */
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import { type BlobBackend, type Bucket, type Incoming, rangeOf } from "../backend.ts";
import { Life } from "../life.ts";
import { type BlobObject, type Conditions, holds, type PutFacts, type UploadedPart } from "../object.ts";
import { ended } from "../refused.ts";
import { checkedBody } from "./body.ts";
import type { S3Client } from "./client.ts";
import { headersOf, objectOf } from "./headers.ts";
import { listBucket, removeAll } from "./lists.ts";
import { nameOf } from "./names.ts";
import type { Spool } from "./spool.ts";
import { Turns } from "./turns.ts";
import { S3Uploads } from "./uploads.ts";
import { countOf, type Usage } from "./usage.ts";

/** Requests of one deletion that are under way at a time. */
const DELETIONS_MAX = 16;
/** How often uploads that nobody completes are looked for. */
const SWEEP_MS = 3_600_000;

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
  readonly #turns = new Turns();
  readonly #life = new Life("the store of blobs");
  readonly #cancelSweep: () => void;

  constructor(options: S3BackendOptions) {
    const { client, clock, report } = options;
    this.#options = options;
    this.#client = client;
    this.#uploads = new S3Uploads(options);
    this.#cancelSweep = clock.every(SWEEP_MS, () => {
      this.#life
        .during(() => this.#uploads.collect())
        .catch((error) => report("Uploads of blobs that nobody completes cannot be removed", { cause: String(error) }));
    });
  }

  head(bucket: Bucket, key: string): Promise<BlobObject | undefined> {
    return this.#life.during(() => this.#head(bucket, key));
  }

  get(bucket: Bucket, key: string, how: Parameters<BlobBackend["get"]>[2]): ReturnType<BlobBackend["get"]> {
    const signal = this.#until(how.signal);
    return this.#life.during(async () => {
      for (;;) {
        if (signal.aborted) throw ended();
        const object = await this.#head(bucket, key);
        if (object === undefined || !holds(how.conditions, object)) return object;
        const range = rangeOf(how.range, object);
        const part = { range: `bytes=${range.offset}-${range.offset + range.length - 1}` };
        const headers = { "if-match": `"${object.etag}"`, ...(range.length < object.size && part) };
        const request = { method: "GET", key: this.#nameOf(bucket, key), headers, signal };
        const answer = await this.#client.send(request, [200, 206, 412, 404]);
        if (answer.status === 200 || answer.status === 206) {
          this.#life.hold();
          return { object, range, body: checkedBody(answer.body, range.length, () => this.#life.release()) };
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
      const name = this.#nameOf(bucket, key);
      const headers = { ...headersOf(facts), ...conditionHeaders(conditions) };
      // Said before the bytes are sent, where it can be.
      const before = await this.#head(bucket, key);
      if (!holds(conditions, before)) return undefined;
      const count = await this.#options.usage.of(bucket.project);
      const place = count.room.enter(() => count.bytes - (before?.size ?? 0));
      const { checksums } = facts;
      return this.#options.spool.during({ body, signal }, { checksums, place }, (file) =>
        this.#replace(bucket, key, conditions, file.bytes, async () => {
          const expected = "if-match" in headers || "if-none-match" in headers ? [200, 404, 409, 412] : [200];
          const answer = await this.#client.send({ method: "PUT", key: name, headers, body: file }, expected);
          return answer.status === 200;
        }),
      );
    });
  }

  delete(bucket: Bucket, keys: readonly string[]): Promise<void> {
    const left = [...keys];
    const work = async () => {
      for (let key = left.pop(); key !== undefined; key = left.pop()) await this.#remove(bucket, key);
    };
    return this.#life.during(async () => {
      for (const key of keys) this.#nameOf(bucket, key);
      await Promise.all(Array.from({ length: Math.min(DELETIONS_MAX, keys.length) }, work));
    });
  }

  list(bucket: Bucket, query: Parameters<BlobBackend["list"]>[1]): ReturnType<BlobBackend["list"]> {
    const head = (key: string) => this.#head(bucket, key);
    return this.#life.during(() => listBucket(this.#client, bucket, query, head));
  }

  createUpload(bucket: Bucket, key: string, facts: PutFacts): Promise<string> {
    return this.#life.during(() => this.#uploads.create(bucket.project, this.#nameOf(bucket, key), facts));
  }

  putPart(bucket: Bucket, key: string, id: string, part: number, incoming: Incoming): Promise<UploadedPart> {
    const signal = this.#until(incoming.signal);
    const of = { project: bucket.project, name: this.#nameOf(bucket, key), id };
    return this.#life.during(() => this.#uploads.putPart(of, part, { body: incoming.body, signal }));
  }

  completeUpload(bucket: Bucket, key: string, id: string, parts: readonly UploadedPart[]): Promise<BlobObject> {
    return this.#life.during(async () => {
      const of = { project: bucket.project, name: this.#nameOf(bucket, key), id };
      const { count } = await this.#uploads.find(of);
      const made = await this.#replace(bucket, key, {}, undefined, async () => {
        await this.#uploads.complete(of, parts);
        count.end(id);
        return true;
      });
      return made as BlobObject;
    });
  }

  abortUpload(bucket: Bucket, key: string, id: string): Promise<void> {
    const of = { project: bucket.project, name: this.#nameOf(bucket, key), id };
    return this.#life.during(() => this.#uploads.abort(of));
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

  #nameOf(bucket: Bucket, key: string): string {
    return nameOf(this.#client.prefix, bucket, key);
  }

  async #head(bucket: Bucket, key: string): Promise<BlobObject | undefined> {
    const answer = await this.#client.send({ method: "HEAD", key: this.#nameOf(bucket, key) }, [200, 404]);
    return answer.status === 404 ? undefined : objectOf(key, answer);
  }

  /**
   * Has `step` put an object in its turn, and counts it; undefined where a condition does not hold, or `step` says so.
   * @param bytes of the object, when they are to be counted before
   */
  #replace(
    bucket: Bucket,
    key: string,
    conditions: Conditions,
    bytes: number | undefined,
    step: () => Promise<boolean>,
  ): Promise<BlobObject | undefined> {
    const name = this.#nameOf(bucket, key);
    return this.#turns.take(name, async () => {
      const count = await this.#options.usage.of(bucket.project);
      const before = await this.#head(bucket, key);
      if (!holds(conditions, before)) return undefined;
      const kept = before === undefined ? 0 : countOf(name, before.size);
      const ahead = bytes === undefined ? 0 : Math.max(0, countOf(name, bytes) - kept);
      count.grow(ahead);
      let made: BlobObject | undefined;
      let isDone = false;
      try {
        isDone = await step();
      } finally {
        // Whatever the store has answered: what is there now is what counts. Where it does not say, what was counted stays.
        made = await this.#head(bucket, key).catch(() => undefined);
        if (made !== undefined) count.add(countOf(name, made.size) - kept - ahead);
        else if (!isDone && before === undefined) count.add(-ahead);
      }
      if (!isDone) return undefined;
      if (made !== undefined) return made;
      throw new IsopodError("binding_failed", { message: "Cannot put: the store does not say what was put" });
    });
  }

  #remove(bucket: Bucket, key: string): Promise<void> {
    const name = this.#nameOf(bucket, key);
    return this.#turns.take(name, async () => {
      const count = await this.#options.usage.of(bucket.project);
      const before = await this.#head(bucket, key);
      if (before === undefined) return;
      await this.#client.send({ method: "DELETE", key: name }, [204, 200]);
      count.add(-countOf(name, before.size));
    });
  }
}

/** What S3 decides itself. */
function conditionHeaders({ etagMatches, etagDoesNotMatch }: Conditions): Record<string, string> {
  if (etagDoesNotMatch?.includes("*")) return { "if-none-match": "*" };
  const [etag] = etagMatches ?? [];
  return etagMatches?.length === 1 && etag !== undefined && etag !== "*" ? { "if-match": `"${etag}"` } : {};
}
