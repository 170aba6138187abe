/** Calls of queues. */
import type { Word } from "../guest_memory.ts";
import type { HostInvocation } from "./host_invocation.ts";
import { objectIn } from "./json.ts";

interface Queue {
  send(body: unknown, options: object): Promise<void>;
}

/** The calls. */
export class QueueCalls {
  readonly #invocation: HostInvocation;

  constructor(invocation: HostInvocation) {
    this.#invocation = invocation;
  }

  queue_send(
    name: Word,
    nameSize: Word,
    body: Word,
    bodySize: Word,
    options: Word,
    optionsSize: Word,
  ): Promise<number> {
    const { memory } = this.#invocation;
    const called = memory.text("queue_send", name, nameSize);
    const json = memory.text("queue_send", options, optionsSize);
    const bytes = memory.view("queue_send", body, bodySize).slice();
    return this.#invocation.doLater("queue_send", async () => {
      const given = objectIn(json);
      const { contentType = "json" } = given as { readonly contentType?: unknown };
      const queue = this.#invocation.binding<Queue>("queue", "sendBatch", called);
      await queue.send(contentType === "bytes" ? bytes : bodyOf(bytes, contentType), given);
    });
  }
}

/** @throws {TypeError} when the bytes are not what they are to be */
function bodyOf(bytes: Uint8Array, contentType: unknown): unknown {
  const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  if (contentType !== "json") return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new TypeError(`expected JSON, not ${JSON.stringify(text.slice(0, 60))}`);
  }
}
