/** Requests: to other functions by their bindings, and to what the function may reach outside. */
import type { Word } from "../guest_memory.ts";
import type { HostInvocation } from "./host_invocation.ts";
import { objectIn } from "./json.ts";

/** The most that an answer may be, in bytes. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

interface Fetcher {
  fetch(input: string, init: RequestInit): Promise<Response>;
}

interface RequestHead {
  readonly url?: unknown;
  readonly method?: unknown;
  readonly headers?: unknown;
  readonly redirect?: unknown;
}

/** The calls. */
export class HttpCalls {
  readonly #invocation: HostInvocation;
  #answer: Response | undefined;

  constructor(invocation: HostInvocation) {
    this.#invocation = invocation;
  }

  /** Gives the body of the answer. No name is a request to the outside. */
  http_request(
    name: Word,
    nameSize: Word,
    head: Word,
    headSize: Word,
    body: Word,
    bodySize: Word,
    pointer: Word,
    size: Word,
  ): Promise<bigint> {
    const { memory } = this.#invocation;
    const called = memory.text("http_request", name, nameSize);
    const json = memory.text("http_request", head, headSize);
    const sent = memory.view("http_request", body, bodySize).slice();
    return this.#invocation.giveLater("http_request", pointer, size, async () => {
      this.#answer = undefined;
      const { url, init } = requestOf(objectIn(json), sent);
      const target: Fetcher = called === "" ? globalThis : this.#invocation.binding("function", "fetch", called);
      const answer = await target.fetch(url, init);
      const bytes = await bounded(answer);
      this.#answer = answer;
      return bytes;
    });
  }

  /** The status of the last answer; 0 when there is none. */
  last_status(): number {
    return this.#answer?.status ?? 0;
  }

  last_header(name: Word, nameSize: Word, pointer: Word, size: Word): bigint {
    const called = this.#invocation.memory.text("last_header", name, nameSize);
    let value: string | undefined;
    try {
      value = this.#answer?.headers.get(called) ?? undefined;
    } catch {
      // No header has such a name.
    }
    return this.#invocation.give("last_header", value, pointer, size);
  }
}

/** @throws {TypeError} when the head is none */
function requestOf(
  head: RequestHead,
  body: Uint8Array<ArrayBuffer>,
): { readonly url: string; readonly init: RequestInit } {
  const { url, method = body.length === 0 ? "GET" : "POST", headers = {}, redirect = "follow" } = head;
  if (typeof url !== "string" || typeof method !== "string")
    throw new TypeError('expected {"url", "method", "headers"}');
  // A method that it does not know is GET to the engine.
  if (new Request("http://localhost/", { method }).method !== method.toUpperCase())
    throw new TypeError(`expected a method of HTTP, not ${JSON.stringify(method.slice(0, 60))}`);
  const isBodiless = body.length === 0 && (method === "GET" || method === "HEAD");
  const init = { method, headers: headers as Record<string, string>, redirect: redirect as "follow" };
  return { url, init: isBodiless ? init : { ...init, body } };
}

/** @throws {Error} when it is over the limit */
async function bounded({ body }: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of body ?? []) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the answer has over ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return Bun.concatArrayBuffers(parts, Number.POSITIVE_INFINITY, true);
}
