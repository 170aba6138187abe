/** `caches` as programs find it: Cloudflare's Cache API, with `caches.default` and caches of any name. */
import type { GuestGlobal, GuestPort } from "../../../core/guest.ts";

/** Puts the global `caches` in place. */
export const cacheGuest: GuestGlobal = {
  install(port) {
    const caches = {
      default: new Cache(port, "default"),
      open: async (name: string) => new Cache(port, `n:${encodeURIComponent(String(name).toWellFormed())}`),
    };
    Object.defineProperty(globalThis, "caches", { value: caches, configurable: true, writable: true });
  },
};

type Input = string | URL | Request;

interface MatchOptions {
  readonly ignoreMethod?: boolean;
}

const PASSED = ["range", "if-none-match", "if-modified-since"];

class Cache {
  readonly #port: GuestPort;
  readonly #name: string;

  constructor(port: GuestPort, name: string) {
    this.#port = port;
    this.#name = name;
  }

  /** The answer of an address; undefined when there is none. */
  async match(input: Input, options: MatchOptions = {}): Promise<Response | undefined> {
    const request = asked(input);
    if (request.method !== "GET" && !options.ignoreMethod) return undefined;
    const headers = PASSED.flatMap((name): [string, string][] => {
      const value = request.headers.get(name);
      return value === null ? [] : [[name, value]];
    });
    const answer = await this.#call("GET", request.url, headers);
    if (answer.status === 404) return undefined;
    const text = answer.headers.find(([name]) => name === "head")?.[1] ?? "";
    const [status, own] = JSON.parse(decodeURIComponent(text)) as [number, [string, string][]];
    return new Response(status === 304 ? null : answer.body, { status, headers: own });
  }

  /** Keeps an answer for its lifetime. @throws {TypeError} for what is not for keeping at all */
  async put(input: Input, response: Response): Promise<void> {
    const request = asked(input);
    if (request.method !== "GET") throw new TypeError("Cannot put: expected a request with the method GET");
    if (response.status === 206) throw new TypeError("Cannot put: the answer is a part of one (206)");
    if (response.headers.get("vary")?.includes("*")) throw new TypeError("Cannot put: the answer varies by everything");
    if (response.bodyUsed) throw new TypeError("Cannot put: the answer's body was read already");
    const head = encodeURIComponent(JSON.stringify([response.status, [...response.headers]]));
    await this.#call("PUT", request.url, [["head", head]], response.body);
  }

  /** Forgets an answer; whether there was one. */
  async delete(input: Input, options: MatchOptions = {}): Promise<boolean> {
    const request = asked(input);
    if (request.method !== "GET" && !options.ignoreMethod) return false;
    return (await this.#call("DELETE", request.url)).status !== 404;
  }

  #call(method: string, url: string, headers: [string, string][] = [], body: ReadableStream<Uint8Array> | null = null) {
    const address = `/${this.#name}?${url.replace(/#.*$/s, "")}`;
    return this.#port.call("cache", { method, url: address, headers, body, redirect: "manual", signal: undefined });
  }
}

function asked(input: Input): Request {
  return input instanceof Request ? input : new Request(String(input));
}
