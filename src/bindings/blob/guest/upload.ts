/** An upload in parts, as R2 has it. */
import { addressOf, type BlobCall, bodyOf } from "./calls.ts";
import { type Facts, R2Object } from "./object.ts";

interface UploadedPart {
  readonly partNumber: number;
  readonly etag: string;
}

/** An upload that is under way, or may be. */
export class R2MultipartUpload {
  readonly #call: BlobCall;
  readonly key: string;
  readonly uploadId: string;

  constructor(call: BlobCall, key: string, uploadId: string) {
    this.#call = call;
    this.key = key;
    this.uploadId = uploadId;
  }

  /** Sends a part: at least 5 MiB of it, unless it is the last one. */
  async uploadPart(partNumber: number, value: unknown): Promise<UploadedPart> {
    const { body } = await this.#call("PUT", this.#address({ part: String(partNumber) }), [], bodyOf(value));
    return (await new Response(body).json()) as UploadedPart;
  }

  /** Makes an object of parts. */
  async complete(parts: readonly UploadedPart[]): Promise<R2Object> {
    const chosen = parts.map(({ partNumber, etag }) => ({ partNumber, etag }));
    const { body } = await this.#call("POST", this.#address(), [], bodyOf(JSON.stringify(chosen)));
    return new R2Object((await new Response(body).json()) as Facts);
  }

  /** Gives the upload up. */
  async abort(): Promise<void> {
    await this.#call("DELETE", this.#address());
  }

  #address(more: Readonly<Record<string, string>> = {}): string {
    return `${addressOf("uploads", this.key)}?${new URLSearchParams({ id: this.uploadId, ...more })}`;
  }
}
