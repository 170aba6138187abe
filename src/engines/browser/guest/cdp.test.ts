/** The DevTools protocol over pipes, against a program that answers as a browser would, and as none should. */
import { expect, test } from "bun:test";
import { Cdp } from "./cdp.ts";

/** Answers each call with its parameters, or as its method says. */
const BROWSER = `
import { readSync, writeSync } from "node:fs";
const chunk = Buffer.alloc(65536);
const write = (text) => {
  for (let bytes = Buffer.from(text + "\\0"); bytes.length > 0; ) {
    try { bytes = bytes.subarray(writeSync(4, bytes)); } catch (error) { if (error.code !== "EAGAIN") process.exit(1); }
  }
};
for (let held = ""; ; ) {
  let length = 0;
  try { length = readSync(3, chunk); } catch (error) { if (error.code === "EAGAIN") continue; }
  if (length === 0) process.exit(0);
  held += chunk.toString("utf8", 0, length);
  const texts = held.split("\\0");
  held = texts.pop();
  for (const { id, method, params } of texts.map((text) => JSON.parse(text))) {
    if (method === "large") write(JSON.stringify({ id, result: { data: "x".repeat(params.bytes) } }));
    else if (method === "refused") write(JSON.stringify({ id, error: { message: "no" } }));
    else if (method === "told") write(JSON.stringify({ method: "Some.event", params, sessionId: "s" }) + "\\0" + JSON.stringify({ id, result: {} }));
    else if (method === "gone") process.exit(0);
    else write(JSON.stringify({ id, result: params }));
  }
}`;

test("an answer that is too large fails its call alone, and the browser's end all that wait", async () => {
  const child = Bun.spawn([process.execPath, "-e", BROWSER], {
    env: {},
    stdio: ["ignore", "ignore", "inherit", "pipe", "pipe"],
  });
  const events: unknown[] = [];
  const ended = Promise.withResolvers<void>();
  const [, , , write, read] = child.stdio as unknown as number[];
  const cdp = new Cdp(write as number, read as number, {
    event: (...event) => events.push(event),
    end: ended.resolve,
  });
  const failure = (call: Promise<unknown>) => call.then(String, (error: Error) => `${error.name}: ${error.message}`);
  expect(await cdp.call("echo", { a: "ü" })).toEqual({ a: "ü" });
  const [large, small, fits] = await Promise.all([
    failure(cdp.call("large", { bytes: 130 * 1024 * 1024 })),
    cdp.call("echo", { b: 2 }),
    cdp.call("large", { bytes: 20 * 1024 * 1024 }),
  ]);
  expect(large).toBe("CdpError: The browser's answer is larger than 134217728 bytes");
  expect([small, (fits["data"] as string).length]).toEqual([{ b: 2 }, 20 * 1024 * 1024]);
  expect(await failure(cdp.call("refused"))).toBe("CdpError: no");
  await cdp.call("told", { c: 3 });
  expect(events).toEqual([["Some.event", { c: 3 }, "s"]]);
  expect(await failure(cdp.call("gone"))).toBe("CdpError: The browser is gone");
  await ended.promise;
  expect(await failure(cdp.call("echo"))).toContain("Cannot call echo: the browser is gone");
  await child.exited;
});
