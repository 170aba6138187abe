/** The type of a KV namespace on `env`, under the names that Cloudflare's types have. Types only. */

/** What can be put. */
export type KVValue = string | ArrayBuffer | ArrayBufferView | Blob | ReadableStream;

/** The forms in which a value is read. */
export type KVForm = "text" | "json" | "arrayBuffer" | "bytes" | "stream";

/** A value in a form; `Json` is what the caller takes its JSON for. */
export type KVRead<Form extends KVForm, Json = unknown> = Form extends "text"
  ? string
  : Form extends "json"
    ? Json
    : Form extends "arrayBuffer"
      ? ArrayBuffer
      : Form extends "bytes"
        ? Uint8Array<ArrayBuffer>
        : ReadableStream<Uint8Array>;

/** The form as an option; `cacheTtl` is taken and means nothing here. */
export interface KVGetOptions<Form extends KVForm> {
  readonly type?: Form | undefined;
  readonly cacheTtl?: number | undefined;
}

/** Options of `delete`, and of `put` too. */
export interface KVConditionOptions {
  /** Only if this is the entry's revision, 0 if the key must not be there; else the error has the code `changed_meanwhile`. */
  readonly ifRevision?: number | undefined;
}

/** Options of `put`. */
export interface KVPutOptions extends KVConditionOptions {
  /** Seconds from now on; `ttl` is the same. */
  readonly expirationTtl?: number | undefined;
  readonly ttl?: number | undefined;
  /** Seconds since 1970. */
  readonly expiration?: number | undefined;
  /** Anything that JSON holds, of at most 1024 bytes. */
  readonly metadata?: unknown;
}

/** A value with what is kept beside it. */
export interface KVEntry<Value, Metadata> {
  readonly value: Value | null;
  readonly metadata: Metadata | null;
  /** 0 when there is no such key. */
  readonly revision: number;
  readonly cacheStatus: null;
}

/** Options of `list`. */
export interface KVListOptions {
  readonly prefix?: string | null | undefined;
  /** 1000 at most. */
  readonly limit?: number | null | undefined;
  readonly cursor?: string | null | undefined;
}

/** A key as a list tells it. */
export interface KVListedKey<Metadata> {
  readonly name: string;
  readonly revision: number;
  /** Seconds since 1970. */
  readonly expiration?: number;
  readonly metadata?: Metadata;
}

/** A page of a list. */
export type KVListResult<Metadata> = { readonly keys: KVListedKey<Metadata>[]; readonly cacheStatus: null } & (
  | { readonly list_complete: true; readonly cursor?: never }
  | { readonly list_complete: false; readonly cursor: string }
);

/** What a watch gives. `reset`: more has changed than is kept; read anew. */
export type KVChange =
  | { readonly type: "put"; readonly key: string; readonly revision: number }
  | { readonly type: "delete"; readonly key: string }
  | { readonly type: "reset" };

/** A KV namespace. What fails rejects with an `Error` that has a `code`. */
export interface KVNamespace {
  get(key: string, options?: "text" | KVGetOptions<"text">): Promise<string | null>;
  get<Json = unknown>(key: string, options: "json" | (KVGetOptions<"json"> & { type: "json" })): Promise<Json | null>;
  get<Form extends KVForm>(
    key: string,
    options: Form | (KVGetOptions<Form> & { type: Form }),
  ): Promise<KVRead<Form> | null>;
  get(keys: readonly string[], options?: "text" | KVGetOptions<"text">): Promise<Map<string, string | null>>;
  get<Json = unknown>(
    keys: readonly string[],
    options: "json" | (KVGetOptions<"json"> & { type: "json" }),
  ): Promise<Map<string, Json | null>>;
  get<Form extends KVForm>(
    keys: readonly string[],
    options: Form | (KVGetOptions<Form> & { type: Form }),
  ): Promise<Map<string, KVRead<Form> | null>>;
  /** The values of up to 100 keys, read at once. */
  getMany<Form extends KVForm = "text", Json = unknown>(
    keys: readonly string[],
    options?: Form | KVGetOptions<Form>,
  ): Promise<Map<string, KVRead<Form, Json> | null>>;
  getWithMetadata<Metadata = unknown>(
    key: string,
    options?: "text" | KVGetOptions<"text">,
  ): Promise<KVEntry<string, Metadata>>;
  getWithMetadata<Json = unknown, Metadata = unknown>(
    key: string,
    options: "json" | (KVGetOptions<"json"> & { type: "json" }),
  ): Promise<KVEntry<Json, Metadata>>;
  getWithMetadata<Metadata = unknown, Form extends KVForm = KVForm>(
    key: string,
    options: Form | (KVGetOptions<Form> & { type: Form }),
  ): Promise<KVEntry<KVRead<Form>, Metadata>>;
  getWithMetadata<Metadata = unknown, Form extends KVForm = "text", Json = unknown>(
    keys: readonly string[],
    options?: Form | KVGetOptions<Form>,
  ): Promise<Map<string, KVEntry<KVRead<Form, Json>, Metadata>>>;
  /** Keeps a value; it is on the disk when this resolves. */
  put(key: string, value: KVValue, options?: KVPutOptions): Promise<{ readonly revision: number }>;
  delete(key: string, options?: KVConditionOptions): Promise<void>;
  list<Metadata = unknown>(options?: KVListOptions): Promise<KVListResult<Metadata>>;
  /** Follows changes from the moment on at which this resolves. */
  watch(what?: { readonly prefix?: string; readonly key?: string }): Promise<ReadableStream<KVChange>>;
}

/** A KV namespace that may only be read. */
export type ReadOnlyKVNamespace = Omit<KVNamespace, "put" | "delete">;
