/**
 * A KV namespace as a program finds it on `env`: what Cloudflare's has, so that code written for that runs, and beside it
 * `getMany`, revisions and `watch`.
 *
 * Keys and options are checked here for what would be a mistake of the program; what it may do is the host's to say.
 */
import type { GuestAnswer, GuestBinding, GuestPort } from "../../../core/guest.ts";
import { type EntryInfo, type Form, formOf, infoOf, readMany, type Shape, shaped } from "./values.ts";

/** Makes namespaces. */
export const kvGuest: GuestBinding = {
  type: "kv",
  create: (port, { name }) => new KvNamespace(port, name),
};

/** What can be put. */
type Value = string | ArrayBuffer | ArrayBufferView | Blob | ReadableStream<Uint8Array>;

interface PutOptions {
  /** Seconds since the Unix epoch. */
  readonly expiration?: number | undefined;
  /** Seconds from now on; `ttl` is the same. */
  readonly expirationTtl?: number | undefined;
  readonly ttl?: number | undefined;
  /** Anything that JSON can hold, of at most 1024 bytes. */
  readonly metadata?: unknown;
  /** Only if this is the entry's revision; 0 for a key that must not be there. */
  readonly ifRevision?: number | undefined;
}

interface ListOptions {
  readonly prefix?: string | null | undefined;
  readonly limit?: number | null | undefined;
  readonly cursor?: string | null | undefined;
}

interface WatchOptions {
  readonly prefix?: string | undefined;
  readonly key?: string | undefined;
}

type Headers = [string, string][];
type EntryWithMetadata = EntryInfo & { readonly value: Shape | null; readonly cacheStatus: null };

const NOTHING: EntryWithMetadata = { value: null, metadata: null, revision: 0, cacheStatus: null };

class KvNamespace {
  readonly #port: GuestPort;
  readonly #name: string;

  constructor(port: GuestPort, name: string) {
    this.#port = port;
    this.#name = name;
  }

  /** The value of a key, or a map of those of many; null for what is not there. */
  async get(key: string | readonly string[], options?: Form): Promise<Shape | null | Map<string, Shape | null>> {
    if (Array.isArray(key)) return this.getMany(key, options);
    const form = formOf(options);
    const answer = await this.#call("GET", addressOf(key));
    return answer.status === 404 ? null : shaped(answer.body, form);
  }

  async getWithMetadata(
    key: string | readonly string[],
    options?: Form,
  ): Promise<EntryWithMetadata | Map<string, EntryWithMetadata>> {
    const form = formOf(options);
    if (Array.isArray(key)) {
      const entries = await this.#many(key);
      const made = await Promise.all(
        entries.map(async ([name, entry]) => {
          if (entry === null) return [name, { ...NOTHING }] as const;
          const { bytes, ...info } = entry;
          return [name, { value: await shaped(bytes, form), ...info, cacheStatus: null }] as const;
        }),
      );
      return new Map(made);
    }
    const answer = await this.#call("GET", addressOf(key));
    if (answer.status === 404) return { ...NOTHING };
    return { value: await shaped(answer.body, form), ...infoOf(answer.headers), cacheStatus: null };
  }

  /** The values of up to 100 keys, read at once. */
  async getMany(keys: readonly string[], options?: Form): Promise<Map<string, Shape | null>> {
    const form = formOf(options);
    const entries = await this.#many(keys);
    const made = entries.map(async ([key, entry]) => [key, entry && (await shaped(entry.bytes, form))] as const);
    return new Map(await Promise.all(made));
  }

  /** Keeps a value; it is on the disk when this resolves. */
  async put(key: string, value: Value, options: PutOptions = {}): Promise<{ revision: number }> {
    const { expiration, expirationTtl, ttl = expirationTtl, metadata } = options;
    const headers = conditionOf(options);
    if (ttl !== undefined) headers.push(["ttl", String(ttl)]);
    if (expiration !== undefined) headers.push(["expiration", String(expiration)]);
    const json = metadata === undefined || metadata === null ? undefined : JSON.stringify(metadata);
    if (json !== undefined) headers.push(["metadata", encodeURIComponent(json)]);
    const answer = await this.#call("PUT", addressOf(key), headers, bodyOf(value));
    return { revision: infoOf(answer.headers).revision };
  }

  /** Removes a key, if it is there. */
  async delete(key: string, options: Pick<PutOptions, "ifRevision"> = {}): Promise<void> {
    await this.#call("DELETE", addressOf(key), conditionOf(options));
  }

  /** Keys in the order of their bytes, up to 1000 at a time. */
  async list({ prefix, limit, cursor }: ListOptions = {}): Promise<object> {
    const query = new URLSearchParams();
    if (typeof prefix === "string") query.set("prefix", wellFormed(prefix));
    if (typeof limit === "number") query.set("limit", String(limit));
    if (typeof cursor === "string" && cursor !== "") query.set("cursor", cursor);
    const { body } = await this.#call("GET", `/keys?${query}`);
    const page = (await new Response(body).json()) as ListedPage;
    const keys = page.keys.map(({ key: name, revision, expires_at, metadata }) => ({
      ...{ name, revision },
      ...(expires_at !== null && { expiration: Math.floor(expires_at / 1000) }),
      ...(metadata !== null && { metadata: JSON.parse(decodeURIComponent(metadata)) as unknown }),
    }));
    const end = page.cursor === undefined;
    return { keys, list_complete: end, ...(!end && { cursor: page.cursor }), cacheStatus: null };
  }

  /** Follows the changes of a key, or of all that begin with a prefix, from the moment on at which this resolves. */
  async watch({ prefix, key }: WatchOptions = {}): Promise<ReadableStream<unknown>> {
    const query = new URLSearchParams();
    if (prefix !== undefined) query.set("prefix", wellFormed(prefix));
    if (key !== undefined) query.set("key", wellFormed(key));
    const { body } = await this.#call("GET", `/changes?${query}`);
    const decoder = new TextDecoder();
    let rest = "";
    const lines = new TransformStream<Uint8Array, unknown>({
      transform(bytes, controller) {
        const all = (rest + decoder.decode(bytes, { stream: true })).split("\n");
        rest = all.pop() ?? "";
        for (const line of all) controller.enqueue(JSON.parse(line));
      },
    });
    return (body as ReadableStream<Uint8Array>).pipeThrough(lines);
  }

  async #many(keys: readonly string[]) {
    const body = new Response(JSON.stringify(keys.map((key) => wellFormed(key)))).body;
    const answer = await this.#call("POST", "/values", [], body);
    return readMany(keys, await new Response(answer.body).bytes());
  }

  #call(
    method: string,
    url: string,
    headers: Headers = [],
    body: ReadableStream<Uint8Array> | null = null,
  ): Promise<GuestAnswer> {
    return this.#port.call(this.#name, { method, url, headers, body, redirect: "manual", signal: undefined });
  }
}

interface ListedPage {
  readonly keys: readonly {
    readonly key: string;
    readonly revision: number;
    readonly expires_at: number | null;
    readonly metadata: string | null;
  }[];
  readonly cursor?: string;
}

function addressOf(key: unknown): string {
  return `/values/${encodeURIComponent(wellFormed(key))}`;
}

function wellFormed(text: unknown): string {
  if (typeof text === "string" && text.isWellFormed()) return text;
  throw new TypeError(`Cannot use KV: expected a key that is well-formed text, not ${typeof text}`);
}

function conditionOf({ ifRevision }: Pick<PutOptions, "ifRevision">): Headers {
  return ifRevision === undefined ? [] : [["if-revision", String(ifRevision)]];
}

function bodyOf(value: unknown): ReadableStream<Uint8Array> | null {
  const fits =
    typeof value === "string" ||
    value instanceof ArrayBuffer ||
    ArrayBuffer.isView(value) ||
    value instanceof Blob ||
    value instanceof ReadableStream;
  if (fits) return new Response(value as ConstructorParameters<typeof Response>[0]).body;
  throw new TypeError("Cannot put: expected a text, an ArrayBuffer, a view of one, a Blob or a ReadableStream");
}
