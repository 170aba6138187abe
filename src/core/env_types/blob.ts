/** The type of a bucket on `env`, under the names that Cloudflare's types for R2 have. Types only. */

/** What can be put. */
export type R2Value = ReadableStream | ArrayBuffer | ArrayBufferView | string | null | Blob;

/** What of an object's headers is kept with it. */
export interface R2HTTPMetadata {
  readonly contentType?: string | undefined;
  readonly contentLanguage?: string | undefined;
  readonly contentDisposition?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly cacheControl?: string | undefined;
  readonly cacheExpiry?: Date | undefined;
}

/** Conditions. */
export interface R2Conditional {
  readonly etagMatches?: string;
  readonly etagDoesNotMatch?: string;
  readonly uploadedBefore?: Date;
  readonly uploadedAfter?: Date;
  readonly secondsGranularity?: boolean;
}

/** A part of an object. */
export type R2Range =
  | { readonly offset: number; readonly length?: number }
  | { readonly offset?: number; readonly length: number }
  | { readonly suffix: number };

/** Options of `get`; `Headers` are those of a request. */
export interface R2GetOptions {
  readonly onlyIf?: R2Conditional | Headers;
  readonly range?: R2Range | Headers;
}

/** What an upload in parts takes of the options of `put`. */
export interface R2MultipartOptions {
  readonly httpMetadata?: R2HTTPMetadata | Headers;
  readonly customMetadata?: Readonly<Record<string, string>>;
  /** Taken, and means nothing here. */
  readonly storageClass?: string;
}

type Checksum = ArrayBuffer | ArrayBufferView | string;

/** Options of `put`. */
export interface R2PutOptions extends R2MultipartOptions {
  readonly onlyIf?: R2Conditional | Headers;
  readonly md5?: Checksum;
  readonly sha1?: Checksum;
  readonly sha256?: Checksum;
  readonly sha384?: Checksum;
  readonly sha512?: Checksum;
}

/** Digests of an object's bytes, as far as they are known. */
export interface R2Checksums {
  readonly md5?: ArrayBuffer;
  readonly sha1?: ArrayBuffer;
  readonly sha256?: ArrayBuffer;
  readonly sha384?: ArrayBuffer;
  readonly sha512?: ArrayBuffer;
  /** In hexadecimal digits. */
  toJSON(): Readonly<Record<string, string>>;
}

/** An object without its bytes. */
export interface R2Object {
  readonly key: string;
  readonly version: string;
  /** Bytes. */
  readonly size: number;
  readonly etag: string;
  /** The ETag in its quotes. */
  readonly httpEtag: string;
  readonly uploaded: Date;
  /** Undefined in a list that does not include it, as is `customMetadata`. */
  readonly httpMetadata: R2HTTPMetadata | undefined;
  readonly customMetadata: Readonly<Record<string, string>> | undefined;
  readonly checksums: R2Checksums;
  readonly range: { readonly offset: number; readonly length: number } | undefined;
  readonly storageClass: string;
  writeHttpMetadata(headers: Headers): void;
}

/** An object with its bytes, which are read once. */
export interface R2ObjectBody extends R2Object {
  readonly body: ReadableStream<Uint8Array>;
  readonly bodyUsed: boolean;
  arrayBuffer(): Promise<ArrayBuffer>;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
  json<Json = unknown>(): Promise<Json>;
  blob(): Promise<Blob>;
}

/** A part that was sent. */
export interface R2UploadedPart {
  readonly partNumber: number;
  readonly etag: string;
}

/** An upload in parts. */
export interface R2MultipartUpload {
  readonly key: string;
  readonly uploadId: string;
  /** Sends a part: at least 5 MiB of it, unless it is the last one. */
  uploadPart(partNumber: number, value: R2Value): Promise<R2UploadedPart>;
  complete(parts: readonly R2UploadedPart[]): Promise<R2Object>;
  abort(): Promise<void>;
}

/** Options of `list`. */
export interface R2ListOptions {
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly cursor?: string;
  readonly startAfter?: string;
  /** 1000 at most. */
  readonly limit?: number;
  readonly include?: readonly ("httpMetadata" | "customMetadata")[];
}

/** A page of a list. */
export type R2Objects = { readonly objects: R2Object[]; readonly delimitedPrefixes: string[] } & (
  | { readonly truncated: true; readonly cursor: string }
  | { readonly truncated: false; readonly cursor?: never }
);

/** A bucket. What fails rejects with an `Error` that has a `code`. */
export interface R2Bucket {
  head(key: string): Promise<R2Object | null>;
  /** Without `body` where `onlyIf` does not hold. */
  get(
    key: string,
    options: R2GetOptions & { readonly onlyIf: R2Conditional | Headers },
  ): Promise<R2ObjectBody | (R2Object & { readonly body?: never }) | null>;
  get(key: string, options?: R2GetOptions): Promise<R2ObjectBody | null>;
  /** Null where `onlyIf` does not hold. */
  put(
    key: string,
    value: R2Value,
    options: R2PutOptions & { readonly onlyIf: R2Conditional | Headers },
  ): Promise<R2Object | null>;
  put(key: string, value: R2Value, options?: R2PutOptions): Promise<R2Object>;
  delete(keys: string | readonly string[]): Promise<void>;
  list(options?: R2ListOptions): Promise<R2Objects>;
  createMultipartUpload(key: string, options?: R2MultipartOptions): Promise<R2MultipartUpload>;
  resumeMultipartUpload(key: string, uploadId: string): R2MultipartUpload;
}

/** A bucket that may only be read. */
export type ReadOnlyR2Bucket = Pick<R2Bucket, "head" | "get" | "list">;
