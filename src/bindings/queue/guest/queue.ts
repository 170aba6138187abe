/** A queue as a program finds it on `env`: what Cloudflare's Queues have for who sends. */
import type { GuestBinding, GuestPort } from "../../../core/guest.ts";

/** Makes queues. */
export const queueGuest: GuestBinding = {
  type: "queue",
  create: (port, { name }) => new Queue(port, name),
};

interface SendOptions {
  readonly contentType?: "json" | "text" | "bytes" | "v8";
  readonly delaySeconds?: number;
}

interface BatchMessage extends SendOptions {
  readonly body: unknown;
}

class Queue {
  readonly #port: GuestPort;
  readonly #name: string;

  constructor(port: GuestPort, name: string) {
    this.#port = port;
    this.#name = name;
  }

  /** Sends a message; it is on the disk when this resolves. */
  async send(body: unknown, options: SendOptions = {}): Promise<void> {
    await this.#send([messageOf({ body, ...options })]);
  }

  /** Sends up to 100 messages. */
  async sendBatch(messages: Iterable<BatchMessage>, options: Pick<SendOptions, "delaySeconds"> = {}): Promise<void> {
    await this.#send([...messages].map((message) => messageOf({ ...options, ...message })));
  }

  async #send(messages: readonly object[]): Promise<void> {
    const { body } = new Response(JSON.stringify(messages));
    await this.#port.call(this.#name, {
      ...{ method: "POST", url: "/messages", headers: [], body, redirect: "manual", signal: undefined },
    });
  }
}

function messageOf({ body, contentType = "json", delaySeconds = 0 }: BatchMessage): object {
  const delayMs = Math.round(delaySeconds * 1000);
  if (contentType === "text") {
    if (typeof body !== "string") throw new TypeError('Cannot send: expected a text for the content type "text"');
    return { type: "text", body, delayMs };
  }
  if (contentType === "bytes") {
    const view = body instanceof ArrayBuffer ? new Uint8Array(body) : body;
    if (!ArrayBuffer.isView(view)) throw new TypeError('Cannot send: expected bytes for the content type "bytes"');
    return { type: "bytes", body: new Uint8Array(view.buffer, view.byteOffset, view.byteLength).toBase64(), delayMs };
  }
  if (contentType !== "json") throw new TypeError(`Cannot send: there is no content type "${contentType}"`);
  const text = JSON.stringify(body);
  if (text === undefined) throw new TypeError("Cannot send: expected what JSON can hold");
  return { type: "json", body: text, delayMs };
}
