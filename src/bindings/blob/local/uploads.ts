/** Uploads in parts of one project: each part is kept when it arrives, and completing names them as one object. */
import type { Incoming } from "../backend.ts";
import type { Life } from "../life.ts";
import { BLOB_LIMITS } from "../limits.ts";
import type { BlobObject, PutFacts, UploadedPart } from "../object.ts";
import { refused } from "../refused.ts";
import type { Changes } from "./changes.ts";
import type { Piece, Rows } from "./rows.ts";
import type { Writer } from "./writer.ts";

/** What uploads are made on. */
export interface UploadsOptions {
  readonly rows: Rows;
  readonly changes: Changes;
  readonly writer: Writer;
  readonly life: Life;
  /** How much the project keeps now, in bytes. */
  usage(): number;
  /** Milliseconds since the Unix epoch. */
  wallNow(): number;
}

const encoder = new TextEncoder();

/** The uploads of one project. */
export class Uploads {
  readonly #options: UploadsOptions;

  constructor(options: UploadsOptions) {
    this.#options = options;
  }

  /** Begins one; its id. @throws {IsopodError} `quota_exceeded` */
  create(bucket: string, key: string, facts: PutFacts): Promise<string> {
    const { changes, life } = this.#options;
    return life.during(() => changes.createUpload(bucket, encoder.encode(key), facts));
  }

  /** Takes a part. @throws {IsopodError} `not_found`, `quota_exceeded` */
  putPart(bucket: string, key: string, id: string, part: number, incoming: Incoming): Promise<UploadedPart> {
    const { rows, changes, writer, life, usage } = this.#options;
    const bytes = encoder.encode(key);
    life.now(() => changes.checkUpload(bucket, bytes, id));
    return writer.write({
      incoming,
      checksums: {},
      left: () => usage() - (rows.piece(id, part)?.bytes ?? 0),
      make: async (content) => {
        await changes.putPart(bucket, bytes, id, part, content);
        return { partNumber: part, etag: content.md5 };
      },
    });
  }

  /** Makes an object of parts. @throws {IsopodError} `not_found`, `bad_request` */
  complete(bucket: string, key: string, id: string, parts: readonly UploadedPart[]): Promise<BlobObject> {
    const { changes, life, wallNow } = this.#options;
    return life.during(() =>
      changes.completeUpload(bucket, encoder.encode(key), id, ({ facts }, pieces) => {
        const chosen = chosenPieces(pieces, parts);
        const md5 = new Bun.CryptoHasher("md5");
        for (const piece of chosen) md5.update(piece.md5, "hex");
        const size = chosen.reduce((sum, { bytes }) => sum + bytes, 0);
        const etag = `${md5.digest("hex")}-${chosen.length}`;
        return { object: newObject(key, facts, { size, etag, uploaded: wallNow() }), chosen };
      }),
    );
  }

  /** Gives one up. @throws {IsopodError} `not_found` */
  abort(bucket: string, key: string, id: string): Promise<void> {
    const { changes, life } = this.#options;
    return life.during(async () => {
      changes.checkUpload(bucket, encoder.encode(key), id);
      await changes.abortUploads([id]);
    });
  }

  /** Gives those up that nobody has completed for long. */
  async collect(): Promise<void> {
    const { rows, changes, life, wallNow } = this.#options;
    const old = life.now(() => rows.uploadsBefore(wallNow() - BLOB_LIMITS.uploadMsMax));
    if (old.length > 0) await life.during(() => changes.abortUploads(old));
  }
}

/** An object of a version that was never there. */
export function newObject(
  key: string,
  facts: PutFacts,
  made: Pick<BlobObject, "size" | "etag" | "uploaded">,
): BlobObject {
  return { key, version: crypto.randomUUID().replaceAll("-", ""), ...made, ...facts };
}

/** The parts that an upload is to be made of. @throws {IsopodError} `bad_request` */
function chosenPieces(pieces: readonly Piece[], parts: readonly UploadedPart[]): Piece[] {
  const byPart = new Map(pieces.map((piece) => [piece.part, piece]));
  return parts.map(({ partNumber, etag }, at) => {
    const piece = byPart.get(partNumber);
    if (piece === undefined || piece.md5 !== etag.replace(/^"(.*)"$/, "$1")) {
      throw refused(`part ${partNumber} is not there, or has another etag`);
    }
    if (at < parts.length - 1 && piece.bytes < BLOB_LIMITS.partBytesMin) {
      throw refused(
        `part ${partNumber} has ${piece.bytes} bytes, and all but the last need ${BLOB_LIMITS.partBytesMin}`,
      );
    }
    return piece;
  });
}
