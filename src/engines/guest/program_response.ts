/** The Response that programs make: the platform's, with what it forgets. */
import { PairSocket } from "./sockets.ts";

const NativeResponse = globalThis.Response;

/** Browsers leave `set-cookie` out of a response's headers: then it is kept beside them. */
let keepsCookies = false;

/** A Response that remembers the text it was made of, and that may carry a WebSocket (status 101). */
export class ProgramResponse extends NativeResponse {
  #text: string | undefined;
  #untyped = false;
  /** Nothing but a text was given, and nobody has looked at the headers. */
  #bare = false;
  #cookies: readonly string[] = [];
  #own: Headers | undefined;

  constructor(
    body?: ConstructorParameters<typeof NativeResponse>[0],
    init?: ResponseInit & { webSocket?: PairSocket | null },
  ) {
    const upgrade = init?.status === 101 && init.webSocket instanceof PairSocket;
    super(body, upgrade ? { ...init, status: 200 } : init);
    if (keepsCookies && init?.headers !== undefined)
      this.#cookies = new Headers(init.headers as Bun.HeadersInit).getSetCookie();
    if (upgrade) Object.defineProperty(this, "webSocket", { value: init.webSocket });
    else if (typeof body === "string") {
      this.#text = body;
      this.#untyped = true;
      this.#bare = init === undefined && new.target === ProgramResponse;
    }
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== "object" || value === null) return false;
    // biome-ignore lint/complexity/noThisInStatic: the subclass on which `instanceof` was asked
    const { prototype } = this === ProgramResponse ? NativeResponse : this;
    return Object.prototype.isPrototypeOf.call(prototype, value);
  }

  /** The text that `response` was made of, so that the most usual answer needs no stream. */
  static textOf(response: Response): string | undefined {
    return #text in response ? response.#text : undefined;
  }

  /** Whether `response` was made of a text alone, and its headers can be nothing but what follows from that. */
  static isBare(response: Response): boolean {
    // Programs may put properties of their own before those of the class.
    return #bare in response && response.#bare && response.status === 200 && !Object.hasOwn(response, "headers");
  }

  /** With the type that the standard gives to a text, which Bun leaves out until it sends. */
  override get headers(): Headers {
    const headers = keepsCookies ? this.#withCookies() : super.headers;
    if (this.#untyped && !headers.has("content-type")) headers.set("content-type", "text/plain;charset=UTF-8");
    this.#untyped = false;
    this.#bare = false;
    return headers;
  }

  override clone(): Response {
    const clone = this.headers && (super.clone() as Response);
    return keepsCookies ? new ProgramResponse(clone.body, { ...statusOf(this), headers: this.headers }) : clone;
  }

  static override json(data?: unknown, init?: ResponseInit): Response {
    if (!keepsCookies) return NativeResponse.json(data, init);
    const { body, headers } = NativeResponse.json(data, init);
    const all = new Headers(init?.headers as Bun.HeadersInit | undefined);
    for (const [name, value] of headers) all.set(name, value);
    return new ProgramResponse(body, { ...init, headers: all });
  }

  /** Headers of its own, which may hold anything. */
  #withCookies(): Headers {
    if (this.#own !== undefined) return this.#own;
    this.#own = new Headers(super.headers);
    for (const cookie of this.#cookies) this.#own.append("set-cookie", cookie);
    return this.#own;
  }
}

function statusOf({ status, statusText }: Response): ResponseInit {
  return { status, statusText };
}

/**
 * Puts the remembering Response in the place of the platform's.
 * @param options `cookies` keeps what a browser would leave out
 */
export function installResponse(options: { readonly cookies: boolean } = { cookies: false }): void {
  keepsCookies = options.cookies;
  Object.defineProperty(ProgramResponse, "name", { value: "Response" });
  globalThis.Response = ProgramResponse as typeof Response;
}
