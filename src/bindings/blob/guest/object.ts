/** An object of a bucket, as R2 shows it. */

/** What the host tells of an object. */
export interface Facts {
  readonly key: string;
  readonly version: string;
  readonly size: number;
  readonly etag: string;
  readonly uploaded: number;
  /** Left out of lists that do not include it, as `customMetadata` is. */
  readonly httpMetadata?: Readonly<Record<string, string | number>>;
  readonly customMetadata?: Readonly<Record<string, string>>;
  readonly checksums: Readonly<Record<string, string>>;
  readonly range?: { readonly offset: number; readonly length: number };
}

const HEADERS = [
  ["contentType", "content-type"],
  ["contentLanguage", "content-language"],
  ["contentDisposition", "content-disposition"],
  ["contentEncoding", "content-encoding"],
  ["cacheControl", "cache-control"],
] as const;

/** An object without its bytes. */
export class R2Object {
  readonly key: string;
  readonly version: string;
  readonly size: number;
  readonly etag: string;
  readonly httpEtag: string;
  readonly uploaded: Date;
  readonly httpMetadata: Record<string, string | Date> | undefined;
  readonly customMetadata: Readonly<Record<string, string>> | undefined;
  readonly checksums: Record<string, unknown>;
  readonly range: { readonly offset: number; readonly length: number } | undefined;
  readonly storageClass = "Standard";

  constructor(facts: Facts) {
    this.key = facts.key;
    this.version = facts.version;
    this.size = facts.size;
    this.etag = facts.etag;
    this.httpEtag = `"${facts.etag}"`;
    this.uploaded = new Date(facts.uploaded);
    this.httpMetadata = facts.httpMetadata && httpMetadataOf(facts.httpMetadata);
    this.customMetadata = facts.customMetadata;
    this.checksums = checksumsOf(facts.checksums);
    this.range = facts.range;
  }

  /** Sets the headers that were kept with the object. */
  writeHttpMetadata(headers: Headers): void {
    const { httpMetadata } = this;
    if (httpMetadata === undefined) {
      throw new TypeError(`Cannot write the metadata of "${this.key}": the list did not include "httpMetadata"`);
    }
    for (const [name, header] of HEADERS) {
      const value = httpMetadata[name];
      if (typeof value === "string") headers.set(header, value);
    }
    const { cacheExpiry } = httpMetadata as { readonly cacheExpiry?: Date };
    if (cacheExpiry !== undefined) headers.set("expires", cacheExpiry.toUTCString());
  }
}

function httpMetadataOf({ cacheExpiry, ...texts }: Readonly<Record<string, string | number>>) {
  return (typeof cacheExpiry === "number" ? { ...texts, cacheExpiry: new Date(cacheExpiry) } : texts) as Record<
    string,
    string | Date
  >;
}

/** Buffers by algorithm, and `toJSON` with their hexadecimal digits. */
function checksumsOf(hex: Readonly<Record<string, string>>): Record<string, unknown> {
  const buffers = Object.entries(hex).map(([name, digits]) => [name, Uint8Array.fromHex(digits).buffer] as const);
  return { ...Object.fromEntries(buffers), toJSON: () => hex };
}

/** An object with its bytes, which are read once. */
export class R2ObjectBody extends R2Object {
  readonly #response: Response;

  constructor(facts: Facts, body: ReadableStream<Uint8Array> | null) {
    super(facts);
    this.#response = new Response(body ?? new Uint8Array());
  }

  get body(): ReadableStream<Uint8Array> {
    return this.#response.body as ReadableStream<Uint8Array>;
  }

  get bodyUsed(): boolean {
    return this.#response.bodyUsed;
  }

  arrayBuffer(): Promise<ArrayBuffer> {
    return this.#response.arrayBuffer();
  }

  bytes(): Promise<Uint8Array> {
    return this.#response.bytes();
  }

  text(): Promise<string> {
    return this.#response.text();
  }

  json(): Promise<unknown> {
    return this.#response.json();
  }

  async blob(): Promise<Blob> {
    const type = this.httpMetadata?.["contentType"];
    return new Blob([await this.#response.arrayBuffer()], typeof type === "string" ? { type } : {});
  }
}
