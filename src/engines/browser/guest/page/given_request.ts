/**
 * The request that a handler is given. Most handlers look at its method, its address and its headers, if at anything; the
 * browser's own request, which costs a third of an invocation's time in a page, is made when more is asked of it.
 */
import { PageRequest, WHOLE } from "./request.ts";

const NativeRequest = Object.getPrototypeOf(PageRequest) as typeof Request;

/** What the host hands in, in the place of the request that it becomes. */
class GivenRequest {
  readonly #address: string;
  readonly #init: RequestInit;
  #headers: Headers | undefined;
  #url: string | undefined;
  #whole: Request | undefined;

  constructor(address: string, init: RequestInit) {
    this.#address = address;
    this.#init = init;
  }

  get method(): string {
    return this.#init.method ?? "GET";
  }

  get url(): string {
    this.#url ??= new URL(this.#address).href;
    return this.#url;
  }

  get headers(): Headers {
    this.#headers ??= new Headers(this.#init.headers as Bun.HeadersInit);
    return this.#headers;
  }

  /** As PageRequest has it, with this one's headers, whatever becomes of them, and its signal. */
  [WHOLE](): Request {
    if (this.#whole !== undefined) return this.#whole;
    const { headers } = this;
    const whole = new PageRequest(this.#address, { ...this.#init, headers });
    Object.defineProperties(whole, {
      headers: { value: headers, configurable: true },
      signal: { get: () => (this as unknown as Request).signal, configurable: true },
    });
    this.#whole = whole as unknown as Request;
    return this.#whole;
  }
}

/** Makes one; `signal` is added by who knows it. */
export function giveRequest(address: string, init: RequestInit): Request {
  return new GivenRequest(address, init) as unknown as Request;
}

/** All that a request has, asked of the whole one; its class is Request, by name and by `instanceof`. */
function standIn(): void {
  const { prototype } = GivenRequest;
  Object.setPrototypeOf(prototype, PageRequest.prototype);
  Reflect.deleteProperty(prototype, "constructor");
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(NativeRequest.prototype))) {
    if (name === "constructor" || Object.hasOwn(prototype, name)) continue;
    const whole = (given: GivenRequest) => given[WHOLE]() as unknown as Record<string, unknown>;
    const member =
      typeof value === "function"
        ? {
            value(this: GivenRequest, ...args: unknown[]) {
              const made = whole(this);
              return (made[name] as (...all: unknown[]) => unknown).apply(made, args);
            },
          }
        : {
            get(this: GivenRequest) {
              return whole(this)[name];
            },
          };
    Object.defineProperty(prototype, name, { ...member, configurable: true });
  }
}

standIn();
