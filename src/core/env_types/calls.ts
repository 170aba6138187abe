/** The types of queues, other functions and TCP connections on `env`, and of the global `caches`. Types only. */

/** Options of what is sent. */
export interface QueueSendOptions {
  /** `json` when left out. */
  readonly contentType?: "json" | "text" | "bytes";
  readonly delaySeconds?: number;
}

/** A queue, for who sends. A message is on the disk when the promise resolves. */
export interface Queue<Body = unknown> {
  send(body: Body, options?: QueueSendOptions): Promise<void>;
  /** Up to 100 messages. */
  sendBatch(
    messages: Iterable<{ readonly body: Body } & QueueSendOptions>,
    options?: { readonly delaySeconds?: number },
  ): Promise<void>;
}

type Promised<Method> = Method extends (...args: infer Args) => infer Result
  ? (...args: Args) => Promise<Awaited<Result>>
  : never;

/**
 * Another function. `Module` may be its type, for its methods: `FunctionStub<typeof import("./cart.ts")>`; without it,
 * methods take and give what they like.
 */
export type FunctionStub<Module = undefined> = {
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
} & (Module extends object
  ? {
      readonly [Name in keyof Module as Module[Name] extends (...args: never[]) => unknown
        ? Exclude<Name, "default" | "fetch">
        : never]: Promised<Module[Name]>;
    }
  : { readonly [method: string]: (...args: unknown[]) => Promise<unknown> });

/** A connection. */
export interface TcpSocket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
  readonly opened: Promise<void>;
  readonly closed: Promise<void>;
  close(): Promise<void>;
}

/** What connects to the hosts and ports that are named in `allow`. */
export interface TcpConnector {
  readonly allow: readonly string[];
  /** The address may be left out where `allow` names one. */
  connect(address?: string | { readonly hostname: string; readonly port: number }): TcpSocket;
}

/** A cache of the Cache API, as programs have it: `caches.default`, and what `caches.open` gives. */
export interface ProgramCache {
  match(request: string | URL | Request, options?: { readonly ignoreMethod?: boolean }): Promise<Response | undefined>;
  put(request: string | URL | Request, response: Response): Promise<void>;
  delete(request: string | URL | Request, options?: { readonly ignoreMethod?: boolean }): Promise<boolean>;
}

/** The global `caches`. */
export interface ProgramCaches {
  readonly default: ProgramCache;
  open(name: string): Promise<ProgramCache>;
}
