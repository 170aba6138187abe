// Written by `isopod types` from isopod.toml: what each function finds as its `env`. Changes here are overwritten.
interface IsopodEnv {
  readonly hello: {
    /** A variable. */
    readonly GREETING: string;
  };
  readonly primes: {};
  readonly statistics: {};
  readonly echo: {};
  readonly stars: {};
  readonly greet: {
    /** A variable. */
    readonly GREETING: string;
  };
  readonly badge: {};
}
