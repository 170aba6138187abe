/**
 * What a binding's guest half is given, and what a guest's program is given. Types only: guests load nothing of core.
 */

/** A call that the guest half of a binding makes. */
export interface GuestCall {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: ReadableStream<Uint8Array> | null;
  readonly redirect: "follow" | "manual" | "error";
  readonly signal: AbortSignal | undefined;
}

/** What the host answered. */
export interface GuestAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly url: string;
  readonly redirected: boolean;
  readonly body: ReadableStream<Uint8Array> | null;
}

/** The way of a guest to the host. */
export interface GuestPort {
  /** Calls what the guest has under the name `binding`; rejects with an `Error` whose `code` is one of the catalogue. */
  call(binding: string, call: GuestCall): Promise<GuestAnswer>;
}

/** A binding that a program has, as its guest is told. */
export interface GuestDeclaration {
  /** The name on `env`, by which calls name it. */
  readonly name: string;
  readonly type: string;
  /** What else the guest's half must know. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** The guest half of a binding on `env`. */
export interface GuestBinding {
  readonly type: string;
  /** Makes what the program finds under the declared name. */
  create(port: GuestPort, declaration: GuestDeclaration): unknown;
}

/** The guest half of a binding that every program has as a global. */
export interface GuestGlobal {
  /** Puts what programs see in place: before the seal, once a guest. */
  install(port: GuestPort): void;
}

/** The third argument of a handler. */
export interface InvocationContext {
  /** Path parameters of the route. */
  readonly params: Readonly<Record<string, string>>;
  /** What the caller sent as arguments; undefined when there are none. */
  readonly args: unknown;
  readonly requestId: string;
  /** The function that runs; undefined for a program that came with its request. */
  readonly function: { readonly name: string; readonly version: string } | undefined;
  /** Milliseconds since the Unix epoch at which the invocation is ended. */
  readonly deadline: number;
  /** Keeps the invocation going, under its limits, until `promise` settles. */
  waitUntil(promise: Promise<unknown>): void;
}
