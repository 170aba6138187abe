/** The queue binding: what `env.QUEUE.send()` hands over is durable when it is acknowledged. Delivering is the triggers' part. */
import type { Binding } from "../../core/binding.ts";
import { IsopodError } from "../../core/errors.ts";
import type { OutgoingMessage, QueueSender } from "../../core/triggers.ts";

/** 256 KB of messages, each byte escaped at worst. */
const BODY_BYTES_MAX = 2 * 1024 * 1024;

/** Creates the binding. */
export function createQueueBinding(sender: QueueSender): Binding {
  const ender = new AbortController();
  return {
    type: "queue",
    async call({ method, url, body }, { project, resource }, { signal }) {
      if (`${method} ${url}` !== "POST /messages") throw refused(`nothing is at "${method} ${url.slice(0, 100)}"`);
      const messages = messagesOf(await textOf(body, AbortSignal.any([signal, ender.signal])));
      const ids = await sender.send(project, resource, messages);
      const answer = new TextEncoder().encode(JSON.stringify({ ids }));
      return { status: 200, headers: [], body: answer, url: "", redirected: false };
    },
    async close() {
      ender.abort();
    },
  };
}

function messagesOf(text: string): OutgoingMessage[] {
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    throw refused("expected JSON");
  }
  if (!Array.isArray(said)) throw refused("expected a list of messages");
  return said.map((message: unknown) => {
    const {
      type,
      body,
      delayMs = 0,
    } = (typeof message === "object" && message !== null ? message : {}) as Partial<OutgoingMessage>;
    if (type !== "json" && type !== "text" && type !== "bytes")
      throw refused('expected messages of the type "json", "text" or "bytes"');
    if (typeof body !== "string" || typeof delayMs !== "number") throw refused("expected messages with a body");
    return { type, body: body.toWellFormed(), delayMs };
  });
}

async function textOf(body: ReadableStream<Uint8Array> | null, signal: AbortSignal): Promise<string> {
  if (signal.aborted) throw ended();
  const reader = body?.getReader();
  const cancel = () => void reader?.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { done: true };
      if (signal.aborted) throw ended();
      if (done || value === undefined) return Buffer.concat(chunks).toString();
      bytes += value.length;
      if (bytes > BODY_BYTES_MAX) throw refused(`expected at most ${BODY_BYTES_MAX} bytes`);
      chunks.push(value);
    }
  } finally {
    cancel();
    signal.removeEventListener("abort", cancel);
  }
}

function ended(): IsopodError {
  return new IsopodError("binding_failed", { message: "Cannot send: the call was ended" });
}

function refused(why: string): IsopodError {
  return new IsopodError("bad_request", { message: `Cannot send: ${why}` });
}
