/** A body whose reader has given up: what its guest still sends of it ends nothing. */
import { expect, test } from "bun:test";
import { IsopodError } from "../core/errors.ts";
import { AnswerBody } from "./answer.ts";

test.each<[string, (body: AnswerBody) => void]>([
  ["an end", (body) => body.end()],
  [
    "what was asked for, and an end",
    (body) => {
      body.push(new Uint8Array(10));
      body.end();
    },
  ],
  ["a failure", (body) => body.fail(new IsopodError("client_gone"))],
])("after its reader has given up, %s is for nobody", async (_what, send) => {
  let cancelled = 0;
  const body = new AnswerBody({ consumed() {}, cancelled: () => cancelled++ });
  const reader = (body.open() as ReadableStream<Uint8Array>).getReader();
  const read = reader.read();
  await reader.cancel();
  send(body);
  expect(await read).toEqual({ done: true, value: undefined });
  expect([cancelled, body.waitingBytes]).toEqual([1, 0]);
});
