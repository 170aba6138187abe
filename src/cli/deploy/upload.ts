/** Brings to a server the contents that it lacks, and says how far it is on a terminal. */
import type { AdminClient } from "../reaching/admin_client.ts";
import { byteSize } from "../terminal/table.ts";
import type { PlannedFile } from "./code.ts";

/** Hashes that are asked for at a time; the server takes a thousand. */
const HASHES_MAX = 1000;
const UPLOADS_AT_A_TIME = 4;
const PIECE_BYTES = 64 * 1024;

/** What was brought. */
export interface Uploaded {
  readonly blobs: number;
  readonly bytes: number;
}

/** Uploads what is missing there. @throws {ApiFailure} */
export async function uploadMissing(client: AdminClient, files: readonly PlannedFile[]): Promise<Uploaded> {
  const byHash = new Map(files.map((file) => [file.hash, file]));
  const hashes = [...byHash.keys()];
  const missing: PlannedFile[] = [];
  for (let at = 0; at < hashes.length; at += HASHES_MAX) {
    const asked = { hashes: hashes.slice(at, at + HASHES_MAX) };
    const answer = await client.post<{ missing: string[] }>(client.inProject("/blobs/missing"), asked);
    missing.push(...answer.missing.flatMap((hash) => byHash.get(hash) ?? []));
  }
  const progress = new Progress(missing.reduce((sum, { content }) => sum + content.byteLength, 0));
  const waiting = [...missing];
  const next = async (): Promise<void> => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const body = inPieces(file.content, (bytes) => progress.add(bytes));
      await client.put(client.inProject(`/blobs/${file.hash}`), body);
    }
  };
  try {
    await Promise.all(Array.from({ length: UPLOADS_AT_A_TIME }, next));
  } finally {
    progress.end();
  }
  return { blobs: missing.length, bytes: progress.bytes };
}

/** A body whose pieces are told as they are taken; a small one is sent as it is. */
function inPieces(content: Uint8Array<ArrayBuffer>, taken: (bytes: number) => void): Blob | ReadableStream<Uint8Array> {
  if (content.byteLength <= PIECE_BYTES) {
    taken(content.byteLength);
    return new Blob([content]);
  }
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      const piece = content.subarray(at, at + PIECE_BYTES);
      at += piece.byteLength;
      if (piece.byteLength === 0) return controller.close();
      taken(piece.byteLength);
      controller.enqueue(piece);
    },
  });
}

/** A line that is written over, on a terminal only. */
class Progress {
  readonly #total: number;
  readonly #shows = process.stderr.isTTY === true;
  #done = 0;

  constructor(total: number) {
    this.#total = total;
    if (total > 0) this.#show();
  }

  get bytes(): number {
    return this.#done;
  }

  add(bytes: number): void {
    this.#done += bytes;
    this.#show();
  }

  end(): void {
    if (this.#shows && this.#total > 0) process.stderr.write("\r\u001b[K");
  }

  #show(): void {
    if (this.#shows) process.stderr.write(`\r\u001b[KUploading ${byteSize(this.#done)} of ${byteSize(this.#total)}`);
  }
}
