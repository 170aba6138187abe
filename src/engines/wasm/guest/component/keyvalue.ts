/** `wasi:keyvalue`: store, atomics and batch over the KV bindings of the function. */
import { Failure, type Lifetime } from "./lifetime.ts";

/** What is used of a KV namespace on `env`. */
interface Namespace {
  get(key: string, type: "bytes"): Promise<Uint8Array | null>;
  getMany(keys: readonly string[], type: "bytes"): Promise<Map<string, Uint8Array | null>>;
  getWithMetadata(
    key: string,
    type: "bytes",
  ): Promise<{ readonly value: Uint8Array | null; readonly revision: number }>;
  put(key: string, value: Uint8Array, options?: { readonly ifRevision: number }): Promise<unknown>;
  delete(key: string): Promise<void>;
  list(options: object): Promise<{ readonly keys: readonly { readonly name: string }[]; readonly cursor?: string }>;
}

type Pair = readonly [key: string, value: Uint8Array];

/** Attempts at one increment; each is lost to another writer that has succeeded. */
const ATTEMPTS_MAX = 100;
const CURSORS_MAX = 1000;

/** What is bound by `identifier`: a KV binding's name, or `default` for the only one. @throws {Failure} */
export function openBucket(lifetime: Lifetime, env: Readonly<Record<string, unknown>>, identifier: string): Bucket {
  const stores = Object.entries(env).filter((each): each is [string, Namespace] => isNamespace(each[1]));
  const [only, ...others] = stores;
  const named = stores.find(([name]) => name === identifier);
  const isDefault = identifier === "default" || identifier === "";
  const found = named ?? (isDefault && others.length === 0 ? only : undefined);
  if (found === undefined) throw new Failure({ tag: "no-such-store" });
  return new Bucket(lifetime, found[1]);
}

function isNamespace(value: unknown): boolean {
  return typeof value === "object" && value !== null && "getWithMetadata" in value && "watch" in value;
}

/** A store that is open. */
export class Bucket {
  readonly #lifetime: Lifetime;
  readonly #store: Namespace;
  /** Cursors of lists that go on; a component knows them by their places. */
  readonly #cursors: string[] = [];

  constructor(lifetime: Lifetime, store: Namespace) {
    this.#lifetime = lifetime;
    this.#store = store;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.use(async (store) => (await store.get(key, "bytes")) ?? undefined);
  }

  set(key: string, value: Uint8Array): Promise<void> {
    return this.use(async (store) => void (await store.put(key, value)));
  }

  delete(key: string): Promise<void> {
    return this.use((store) => store.delete(key));
  }

  exists(key: string): Promise<boolean> {
    return this.use(async (store) => (await store.getWithMetadata(key, "bytes")).revision > 0);
  }

  listKeys(place: bigint | string | undefined): Promise<{ keys: string[]; cursor: string | undefined }> {
    return this.use(async (store) => {
      const before = place === undefined ? undefined : this.#cursors[Number(place)];
      if (place !== undefined && before === undefined)
        throw new Failure({ tag: "other", val: "the cursor is unknown" });
      const { keys, cursor } = await store.list({ cursor: before });
      if (cursor !== undefined && this.#cursors.length >= CURSORS_MAX) this.#cursors.length = 0;
      // One draft has cursors that are numbers, another one texts: jco takes the digits for both.
      const next = cursor === undefined ? undefined : String(this.#cursors.push(cursor) - 1);
      return { keys: keys.map(({ name }) => name), cursor: next };
    });
  }

  /** Does `work` with the store. @throws {Failure} in the terms of WASI */
  async use<T>(work: (store: Namespace) => Promise<T>): Promise<T> {
    try {
      return await this.#lifetime.wait(work(this.#store));
    } catch (error) {
      if (error instanceof Failure || this.#lifetime.signal.aborted) throw error;
      const { code, message } = error as { readonly code?: string; readonly message?: string };
      if (code === "binding_denied") throw new Failure({ tag: "access-denied" });
      throw new Failure({ tag: "other", val: message ?? String(error) });
    }
  }
}

/** A compare-and-swap that has read what is there. */
export class Cas {
  readonly #bucket: Bucket;
  readonly #key: string;
  readonly #value: Uint8Array | undefined;
  readonly #revision: number;

  constructor(bucket: Bucket, key: string, value: Uint8Array | undefined, revision: number) {
    this.#bucket = bucket;
    this.#key = key;
    this.#value = value;
    this.#revision = revision;
  }

  static async new(bucket: Bucket, key: string): Promise<Cas> {
    const { value, revision } = await bucket.use((store) => store.getWithMetadata(key, "bytes"));
    return new Cas(bucket, key, value ?? undefined, revision);
  }

  async current(): Promise<Uint8Array | undefined> {
    return this.#value;
  }

  static async swap(cas: Cas, value: Uint8Array): Promise<void> {
    const isSwapped = await replace(cas.#bucket, cas.#key, value, cas.#revision).catch((error) => {
      throw error instanceof Failure ? new Failure({ tag: "store-error", val: error.payload }) : error;
    });
    if (!isSwapped) throw new Failure({ tag: "cas-failed", val: await Cas.new(cas.#bucket, cas.#key) });
  }
}

/** Writes what nobody has written meanwhile. @returns whether nobody had */
function replace(bucket: Bucket, key: string, value: Uint8Array, ifRevision: number): Promise<boolean> {
  return bucket.use(async (store) => {
    try {
      await store.put(key, value, { ifRevision });
      return true;
    } catch (error) {
      if ((error as { readonly code?: string }).code === "changed_meanwhile") return false;
      throw error;
    }
  });
}

/** Adds to a number in decimal digits; what is not there is 0. */
async function increment(bucket: Bucket, key: string, delta: bigint): Promise<bigint> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const { value, revision } = await bucket.use((store) => store.getWithMetadata(key, "bytes"));
    const text = value === null ? "0" : new TextDecoder().decode(value);
    if (!/^-?\d{1,20}$/.test(text)) throw new Failure({ tag: "other", val: "the value is no number" });
    const sum = BigInt.asIntN(64, BigInt(text) + delta);
    if (await replace(bucket, key, new TextEncoder().encode(String(sum)), revision)) return sum;
  }
  throw new Failure({ tag: "other", val: "others write the same key all the time" });
}

/** `wasi:keyvalue/atomics`. */
export const ATOMICS = { increment, Cas, swap: (cas: Cas, value: Uint8Array): Promise<void> => Cas.swap(cas, value) };

/** `wasi:keyvalue/batch`. What is asked for is done key by key, or as far as nothing fails. */
export const BATCH = {
  getMany: (bucket: Bucket, keys: readonly string[]): Promise<(Pair | undefined)[]> =>
    bucket.use(async (store) => {
      const found = await store.getMany(keys, "bytes");
      return keys.map((key) => {
        const value = found.get(key) ?? undefined;
        return value && ([key, value] as const);
      });
    }),
  setMany: async (bucket: Bucket, pairs: readonly Pair[]): Promise<void> => {
    for (const [key, value] of pairs) await bucket.set(key, value);
  },
  deleteMany: async (bucket: Bucket, keys: readonly string[]): Promise<void> => {
    for (const key of keys) await bucket.delete(key);
  },
};
