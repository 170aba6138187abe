// Written by `isopod types` from isopod.toml: what each function finds as its `env`. Changes here are overwritten.
interface IsopodEnv {
  readonly hello: {
    /** A variable. */
    readonly GREETING: string;
  };
  readonly primes: Record<string, never>;
  readonly statistics: Record<string, never>;
  readonly wasm: Record<string, never>;
  readonly echo: Record<string, never>;
  readonly stars: Record<string, never>;
  readonly greet: {
    /** A variable. */
    readonly GREETING: string;
  };
  readonly badge: Record<string, never>;
  readonly products: Record<string, never>;
  readonly uploads: {
    /** A binding of the type "blob": "uploads". */
    readonly FILES: import("isopod").R2Bucket;
  };
  readonly links: {
    /** A binding of the type "kv": "links". */
    readonly LINKS: import("isopod").KVNamespace;
  };
  readonly comments: {
    /** A binding of the type "sql": "comments". */
    readonly DB: import("isopod").D1Database;
  };
  readonly reminders: {
    /** A binding of the type "queue": "reminders". */
    readonly REMINDERS: import("isopod").Queue;
  };
}
