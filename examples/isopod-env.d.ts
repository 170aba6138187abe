// Written by `isopod types` from isopod.toml: what each function finds as its `env`. Changes here are overwritten.
interface IsopodEnv {
  readonly hello: {
    /** A variable. */
    readonly GREETING: string;
  };
  readonly primes: Record<string, never>;
  readonly statistics: Record<string, never>;
  readonly wasm: Record<string, never>;
  readonly page: Record<string, never>;
  readonly echo: Record<string, never>;
  readonly stars: Record<string, never>;
  readonly greet: {
    /** A variable. */
    readonly GREETING: string;
  };
  readonly badge: Record<string, never>;
  readonly products: Record<string, never>;
  readonly uploads: {
    /** A blob binding: docs/bindings.md of Isopod. */
    readonly FILES: any;
  };
  readonly reminders: {
    /** A queue binding: docs/bindings.md of Isopod. */
    readonly REMINDERS: {
      send(body: unknown, options?: { contentType?: string; delaySeconds?: number }): Promise<void>;
      sendBatch(messages: Iterable<object>, options?: { delaySeconds?: number }): Promise<void>;
    };
  };
}
