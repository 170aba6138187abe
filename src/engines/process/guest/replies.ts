/** Bodies that are collected or ignored, and refusals in AWS's form: what all APIs of the guest answer with. */
import type { BodySink, Reply } from "../../guest/http_reply.ts";

/** For a request whose body does not matter. */
export const IGNORE: BodySink = { data() {}, end() {} };

/** Says that an answer is JSON. */
export const JSON_TYPE = { "content-type": "application/json" };

/** Answers with an error as AWS writes it. */
export function refuse(reply: Reply, status: number, errorType: string, errorMessage: string): void {
  reply.send(status, JSON_TYPE, JSON.stringify({ errorMessage, errorType }));
}

/** Collects a body, the first of it when it is too long; `cut` is called when it is cut off. */
export function collect(bytesMax: number, then: (body: string) => void, cut = () => {}): BodySink {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  return {
    data(chunk) {
      if (bytes < bytesMax) chunks.push(chunk);
      bytes += chunk.length;
    },
    end: () => then(Buffer.concat(chunks).toString("utf8")),
    cut,
  };
}
