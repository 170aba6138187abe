/** A KV namespace as a program finds it on `env`: what Cloudflare's has, as far as it is offered, and more. */
import type { GuestBinding, GuestPort } from "../../../core/guest.ts";

/** Makes namespaces. */
export const kvGuest: GuestBinding = {
  type: "kv",
  create: (port, { name }) => new KvNamespace(port, name),
};

/** What can be put. */
type Value = string | ArrayBuffer | ArrayBufferView | ReadableStream<Uint8Array>;

class KvNamespace {
  readonly #port: GuestPort;
  readonly #name: string;

  constructor(port: GuestPort, name: string) {
    this.#port = port;
    this.#name = name;
  }

  async get(key: string): Promise<string | null> {
    const { status, body } = await this.#call("GET", key);
    return status === 404 ? null : await new Response(body).text();
  }

  async put(key: string, value: Value): Promise<void> {
    await this.#call("PUT", key, new Response(value as ConstructorParameters<typeof Response>[0]).body);
  }

  async delete(key: string): Promise<void> {
    await this.#call("DELETE", key);
  }

  #call(method: string, key: string, body: ReadableStream<Uint8Array> | null = null) {
    const url = `/values/${encodeURIComponent(key)}`;
    return this.#port.call(this.#name, { method, url, headers: [], body, redirect: "manual", signal: undefined });
  }
}
