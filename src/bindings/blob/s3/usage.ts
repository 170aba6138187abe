/**
 * How much each project keeps on the store: counted once by lists of all it has, and from then on by what it changes here.
 *
 * What is about to be put is counted before it is sent, so that puts at once cannot pass the quota together.
 */
import type { DataQuotas } from "../../../core/binding.ts";
import { BodyRoom } from "../body_room.ts";
import { BLOB_LIMITS } from "../limits.ts";
import { overQuota, tooManyUploads } from "../refused.ts";
import type { S3Client } from "./client.ts";
import { listKeys, listParts, listUploads } from "./pages.ts";

/** An upload under way. */
export interface CountedUpload {
  /** The object's name below the server's prefix. */
  readonly name: string;
  /** Milliseconds since the Unix epoch. */
  readonly began: number;
  /** What its parts count; one that is sent again counts again until the upload is over. */
  bytes: number;
}

/** What an object counts. */
export function countOf(name: string, bytes: number): number {
  return bytes + Buffer.byteLength(name) + BLOB_LIMITS.entryBytes;
}

/** What one project keeps. */
export class Count {
  /** By id. */
  readonly uploads = new Map<string, CountedUpload>();
  readonly room: BodyRoom;
  readonly #bytesMax: () => number;
  #bytes = 0;
  #beginning = 0;

  constructor(bytesMax: () => number) {
    this.#bytesMax = bytesMax;
    this.room = new BodyRoom(bytesMax);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Counts what was there or is gone. */
  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Counts what is to be put. @throws {IsopodError} `quota_exceeded` */
  grow(bytes: number): void {
    const max = this.#bytesMax();
    if (bytes > 0 && this.#bytes + bytes > max) throw overQuota(this.#bytes + bytes, max);
    this.#bytes += bytes;
  }

  /** Begins an upload, unless too many are under way. @throws {IsopodError} `quota_exceeded` */
  async begin(name: string, began: number, step: () => Promise<string>): Promise<string> {
    if (this.uploads.size + this.#beginning >= BLOB_LIMITS.uploadsMax) throw tooManyUploads();
    this.#beginning += 1;
    try {
      const id = await step();
      this.uploads.set(id, { name, began, bytes: 0 });
      return id;
    } finally {
      this.#beginning -= 1;
    }
  }

  /** An upload is over. */
  end(id: string): void {
    this.#bytes -= this.uploads.get(id)?.bytes ?? 0;
    this.uploads.delete(id);
  }
}

/** The counts. */
export class Usage {
  readonly #client: S3Client;
  readonly #quotas: DataQuotas;
  readonly #counts = new Map<string, Promise<Count>>();
  readonly #known = new Map<string, Count>();

  constructor(client: S3Client, quotas: DataQuotas) {
    this.#client = client;
    this.#quotas = quotas;
  }

  /** The count of a project. @throws {IsopodError} of the store */
  of(project: string): Promise<Count> {
    const known = this.#counts.get(project);
    if (known !== undefined) return known;
    const counting = this.#count(project);
    this.#counts.set(project, counting);
    counting.then(
      (count) => this.#known.set(project, count),
      () => this.#counts.delete(project),
    );
    return counting;
  }

  /** What is counted already. */
  all(): Iterable<Count> {
    return this.#known.values();
  }

  forget(project: string): void {
    this.#counts.delete(project);
    this.#known.delete(project);
  }

  /** Counts an upload that another server has begun. @throws {IsopodError} `not_found` */
  async adopt(count: Count, name: string, id: string, began: number): Promise<CountedUpload> {
    let bytes = 0;
    for await (const length of listParts(this.#client, name, id)) bytes += length + BLOB_LIMITS.entryBytes;
    const known = count.uploads.get(id);
    if (known !== undefined) return known;
    const upload = { name, began, bytes };
    count.uploads.set(id, upload);
    count.add(bytes);
    return upload;
  }

  async #count(project: string): Promise<Count> {
    const count = new Count(() => this.#quotas.bytesMax("blob", project));
    const root = `${project}/`;
    for (let after: string | undefined; ; ) {
      const page = await listKeys(this.#client, { root, prefix: "", after });
      for (const { key, size } of page.objects) count.add(countOf(root + key, size));
      if (page.after === undefined) break;
      after = page.after;
    }
    for await (const { id, name, began } of listUploads(this.#client, root)) {
      // One that ends meanwhile counts nothing.
      await this.adopt(count, name, id, began).catch(() => {});
    }
    return count;
  }
}
