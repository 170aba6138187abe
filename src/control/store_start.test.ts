/** A store that cannot be used stops the start, with a reason. */
import { expect, test } from "bun:test";
import { startTestServer } from "../testing/server.ts";

test("a server whose store is no store does not start, and says which file it is", async () => {
  const files = {
    "data/store/store.sqlite": "this is not a database, and long enough to be taken for a damaged one".repeat(100),
  };
  const failure = await startTestServer({ files, prewarmed: 1 }).then(
    async (server) => {
      await server[Symbol.asyncDispose]();
      return "it started";
    },
    (error: Error) => error.message,
  );
  expect(failure).toMatch(/^Cannot open the store: .*store/);
});
