/** Calls of blob bindings. */
import type { Word } from "../guest_memory.ts";
import type { HostInvocation } from "./host_invocation.ts";
import { objectIn, textOf } from "./json.ts";

/** What one call gives whole; more is read piece by piece. */
const WHOLE_BYTES_MAX = 64 * 1024 * 1024;

interface BlobObject {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly uploaded: Date;
  readonly httpMetadata?: unknown;
  readonly customMetadata?: unknown;
}

interface BlobBody extends BlobObject {
  readonly body: ReadableStream<Uint8Array>;
  arrayBuffer(): Promise<ArrayBuffer>;
}

interface Bucket {
  head(key: string): Promise<BlobObject | null>;
  get(key: string, options?: object): Promise<BlobBody | null>;
  put(key: string, value: Uint8Array, options: object): Promise<unknown>;
  delete(key: string): Promise<void>;
  list(options: object): Promise<{ readonly objects: readonly BlobObject[] }>;
}

/** The calls. */
export class BlobCalls {
  readonly #invocation: HostInvocation;

  constructor(invocation: HostInvocation) {
    this.#invocation = invocation;
  }

  blob_get(name: Word, nameSize: Word, key: Word, keySize: Word, pointer: Word, size: Word): Promise<bigint> {
    const { bucket, key: text } = this.#named("blob_get", name, nameSize, key, keySize);
    return this.#invocation.giveLater("blob_get", pointer, size, async () => {
      const found = await bucket().get(text);
      if (found === null) return undefined;
      if (found.size <= WHOLE_BYTES_MAX) return new Uint8Array(await found.arrayBuffer());
      await found.body.cancel();
      throw new Error(`the object has ${found.size} bytes, over ${WHOLE_BYTES_MAX}; blob_read reads a part`);
    });
  }

  /** Reads up to `size` bytes at `offset`: how many there were, 0 at the end. */
  async blob_read(
    name: Word,
    nameSize: Word,
    key: Word,
    keySize: Word,
    offset: Word,
    pointer: Word,
    size: Word,
  ): Promise<bigint> {
    const { bucket, key: text } = this.#named("blob_read", name, nameSize, key, keySize);
    const { length } = this.#invocation.memory.view("blob_read", pointer, size);
    return this.#invocation.giveLater("blob_read", pointer, size, async () => {
      const known = await bucket().head(text);
      if (known === null) return undefined;
      const from = Number(offset);
      if (length === 0 || from >= known.size) return "";
      const found = await bucket().get(text, { range: { offset: from, length: Math.min(length, known.size - from) } });
      return found === null ? undefined : new Uint8Array(await found.arrayBuffer());
    });
  }

  blob_head(name: Word, nameSize: Word, key: Word, keySize: Word, pointer: Word, size: Word): Promise<bigint> {
    const { bucket, key: text } = this.#named("blob_head", name, nameSize, key, keySize);
    return this.#invocation.giveLater("blob_head", pointer, size, async () => {
      const found = await bucket().head(text);
      return found === null ? undefined : textOf(factsOf(found));
    });
  }

  blob_put(
    name: Word,
    nameSize: Word,
    key: Word,
    keySize: Word,
    value: Word,
    valueSize: Word,
    options: Word,
    optionsSize: Word,
  ): Promise<number> {
    const { bucket, key: text } = this.#named("blob_put", name, nameSize, key, keySize);
    const bytes = this.#invocation.memory.view("blob_put", value, valueSize).slice();
    const json = this.#invocation.memory.text("blob_put", options, optionsSize);
    return this.#invocation.doLater("blob_put", async () => bucket().put(text, bytes, objectIn(json)));
  }

  blob_delete(name: Word, nameSize: Word, key: Word, keySize: Word): Promise<number> {
    const { bucket, key: text } = this.#named("blob_delete", name, nameSize, key, keySize);
    return this.#invocation.doLater("blob_delete", async () => bucket().delete(text));
  }

  blob_list(name: Word, nameSize: Word, options: Word, optionsSize: Word, pointer: Word, size: Word): Promise<bigint> {
    const { bucket, key: json } = this.#named("blob_list", name, nameSize, options, optionsSize);
    return this.#invocation.giveLater("blob_list", pointer, size, async () => {
      const { objects, ...more } = await bucket().list(objectIn(json));
      return textOf({ objects: objects.map(factsOf), ...more });
    });
  }

  #named(action: string, name: Word, nameSize: Word, key: Word, keySize: Word) {
    const called = this.#invocation.memory.text(action, name, nameSize);
    const bucket = (): Bucket => this.#invocation.binding("blob", "createMultipartUpload", called);
    return { bucket, key: this.#invocation.memory.text(action, key, keySize) };
  }
}

function factsOf({ key, size, etag, uploaded, httpMetadata, customMetadata }: BlobObject): object {
  return { key, size, etag, uploaded: uploaded.getTime(), httpMetadata, customMetadata };
}
