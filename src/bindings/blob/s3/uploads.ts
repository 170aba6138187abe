/** Uploads in parts on the store, counted while they are under way, and given up when nobody completes them. */
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import type { Incoming } from "../backend.ts";
import { BLOB_LIMITS } from "../limits.ts";
import type { PutFacts, UploadedPart } from "../object.ts";
import { noUpload, refused } from "../refused.ts";
import type { S3Client } from "./client.ts";
import { etagOf, headersOf } from "./headers.ts";
import type { Spool } from "./spool.ts";
import type { Count, CountedUpload, Usage } from "./usage.ts";

/** What uploads are made on. */
export interface UploadsOptions {
  readonly client: S3Client;
  readonly usage: Usage;
  readonly spool: Spool;
  readonly clock: Clock;
}

/** Which one is meant: the name below the server's prefix, and the store's id. */
export interface UploadOf {
  readonly project: string;
  readonly name: string;
  readonly id: string;
}

/** The uploads. */
export class S3Uploads {
  readonly #options: UploadsOptions;

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /** Begins one; its id. @throws {IsopodError} `quota_exceeded` */
  async create({ project, name }: Omit<UploadOf, "id">, facts: PutFacts): Promise<string> {
    const { client, usage, clock } = this.#options;
    const request = { method: "POST", key: name, query: { uploads: "" }, headers: headersOf(facts) };
    return (await usage.of(project)).begin(name, clock.wallNow(), async () => {
      const { InitiateMultipartUploadResult: made } = (await client.sendForXml(request)) as {
        readonly InitiateMultipartUploadResult?: { readonly UploadId?: unknown };
      };
      if (typeof made?.UploadId === "string" && made.UploadId !== "") return made.UploadId;
      throw new IsopodError("binding_failed", { message: "Cannot begin an upload: the store gave no id" });
    });
  }

  /** Takes a part. @throws {IsopodError} `not_found`, `quota_exceeded` */
  async putPart(of: UploadOf, part: number, incoming: Incoming): Promise<UploadedPart> {
    const { client, spool } = this.#options;
    const { count, upload } = await this.find(of);
    const place = count.room.enter(() => count.bytes);
    return spool.during(incoming, { checksums: {}, place }, async (body) => {
      const counted = body.bytes + BLOB_LIMITS.entryBytes;
      count.grow(counted);
      upload.bytes += counted;
      const query = { uploadId: of.id, partNumber: String(part) };
      try {
        const answer = await client.send({ method: "PUT", key: of.name, query, body }, [200]);
        return { partNumber: part, etag: etagOf(answer.headers.get("etag")) };
      } finally {
        // The upload may be over, and was counted out without this part.
        if (count.uploads.get(of.id) !== upload) count.add(-counted);
      }
    });
  }

  /** Has the store make an object of parts; what is counted for it afterwards is the caller's. */
  async complete(of: UploadOf, parts: readonly UploadedPart[]): Promise<void> {
    const { client } = this.#options;
    const query = { uploadId: of.id };
    await client.sendForXml({ method: "POST", key: of.name, query, body: completion(parts) });
  }

  /** Gives one up. @throws {IsopodError} `not_found` */
  async abort(of: UploadOf): Promise<void> {
    const { count } = await this.find(of);
    await this.#abort(count, of.name, of.id);
  }

  /** Gives those up that nobody has completed for long. @throws {IsopodError} of the store */
  async collect(): Promise<void> {
    const { usage, clock } = this.#options;
    const before = clock.wallNow() - BLOB_LIMITS.uploadMsMax;
    for (const count of usage.all()) {
      for (const [id, { name, began }] of count.uploads) if (began < before) await this.#abort(count, name, id);
    }
  }

  /** One that is under way for this name. @throws {IsopodError} `not_found` */
  async find({ project, name, id }: UploadOf): Promise<{ count: Count; upload: CountedUpload }> {
    const { usage, clock } = this.#options;
    const count = await usage.of(project);
    const upload = count.uploads.get(id) ?? (await usage.adopt(count, name, id, clock.wallNow()));
    if (upload.name !== name) throw noUpload();
    return { count, upload };
  }

  async #abort(count: Count, name: string, id: string): Promise<void> {
    const { client } = this.#options;
    await client.send({ method: "DELETE", key: name, query: { uploadId: id } }, [204, 200, 404]);
    count.end(id);
  }
}

function completion(parts: readonly UploadedPart[]): string {
  const each = parts.map(({ partNumber, etag }) => {
    if (!/^[0-9a-fA-F"-]{1,100}$/.test(etag)) throw refused(`part ${partNumber} is not there, or has another etag`);
    return `<Part><PartNumber>${partNumber}</PartNumber><ETag>"${etagOf(etag)}"</ETag></Part>`;
  });
  return `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${each.join("")}</CompleteMultipartUpload>`;
}
