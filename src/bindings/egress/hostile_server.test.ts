import { describe, expect, test } from "bun:test";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { answerText, bindingCall, fakeScope, userErrorOf } from "../../testing/binding-suite.ts";
import { grants, withEgress, withServer } from "../../testing/egress_rig.ts";
import { httpResponse } from "../../testing/raw_server.ts";
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from "../../testing/test_certificate.ts";
import type { EgressLimits } from "./limits.ts";

const MB = 1024 * 1024;
const OK = "HTTP/1.1 200 OK\r\n";

/** What programs of this process hold; garbage, and what an allocator keeps, is another test's as much as one's own. */
function heldBytes(): number {
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

/** What a guest gets from a server that says `response` and then, if told so, hangs up. */
async function fetchFrom(
  response: string | Buffer,
  options: { end?: boolean; limits?: Partial<EgressLimits>; method?: string } = {},
): Promise<string> {
  let text = "";
  await withServer(
    (socket) => {
      socket.write(response);
      if (options.end) socket.end();
    },
    async (server) => {
      await withEgress({ limits: options.limits }, async (egress) => {
        const call = bindingCall(`http://127.0.0.1:${server.port}/`, { method: options.method ?? "GET" });
        text = await answerText(await egress.call(call, grants([`127.0.0.1:${server.port}`]), fakeScope()));
      });
      await server.gone();
    },
  );
  return text;
}

describe("a response that is not whole never looks whole", () => {
  const cut: Record<string, string> = {
    "no response at all": "",
    "a status line that is garbage": "HELLO WORLD\r\n\r\n",
    "a status that is no number": "HTTP/1.1 abc OK\r\n\r\n",
    "an upgrade that nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "a header without a name": `${OK}: x\r\n\r\n`,
    "two lengths": `${OK}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd`,
    "a length beside chunks": `${OK}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    "a negative length": `${OK}content-length: -1\r\n\r\n`,
    "a head that is cut off": `${OK}content-le`,
    "a body shorter than its length": `${OK}content-length: 10\r\n\r\nabc`,
    "chunks without the last": `${OK}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n`,
    "a chunk that is cut off": `${OK}transfer-encoding: chunked\r\n\r\nff\r\nabc`,
    "a chunk size that is no number": `${OK}transfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n`,
    "a chunk longer than its size": `${OK}transfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n`,
    "a chunk size beyond all bounds": `${OK}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc`,
  };
  for (const [name, response] of Object.entries(cut)) {
    test(name, async () => {
      expect((await userErrorOf(fetchFrom(response, { end: true }))).code).toBe("egress_failed");
    });
  }

  test("and its error says what is wrong", async () => {
    const garbage = await userErrorOf(fetchFrom("HELLO WORLD\r\n\r\n"));
    expect(garbage.message).toContain("the response is not valid HTTP/1.1");
    const short = await userErrorOf(fetchFrom(`${OK}content-length: 10\r\n\r\nabc`, { end: true }));
    expect(short.message).toContain("the connection was closed before the response was complete");
  });

  test("a coding that is cut off, or is not what the head says", async () => {
    const whole = gzipSync("x".repeat(1000));
    for (const body of [whole.subarray(0, whole.length - 4), Buffer.from("not gzip at all")]) {
      const head = Buffer.from(`${OK}content-encoding: gzip\r\ncontent-length: ${body.length}\r\n\r\n`);
      const error = await userErrorOf(fetchFrom(Buffer.concat([head, body])));
      expect(error.message).toContain("not coded as its head says, or is cut off");
    }
  });
});

describe("what a server does with time and space is bounded", () => {
  test("a head without end", async () => {
    const endless = `${OK}x: ${"y".repeat(200_000)}`;
    const error = await userErrorOf(fetchFrom(endless, { limits: { headBytesMax: 16_384 } }));
    expect(error.message).toContain("head is too large");
  });

  test("headers without end", async () => {
    const error = await userErrorOf(fetchFrom(OK + "a: b\r\n".repeat(50_000), { limits: { headBytesMax: 16_384 } }));
    expect(error.code).toBe("egress_failed");
  });

  test("trailers without end", async () => {
    const response = `${OK}transfer-encoding: chunked\r\n\r\n0\r\n${"a: b\r\n".repeat(50_000)}`;
    const error = await userErrorOf(fetchFrom(response, { limits: { headBytesMax: 16_384 } }));
    expect(error.code).toBe("egress_failed");
  });

  test("silence before the head, also after informational ones", async () => {
    for (const response of ["", "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"]) {
      const error = await userErrorOf(fetchFrom(response, { limits: { headTimeoutMs: 30 } }));
      expect(error.message).toContain("no response came in time");
    }
  });

  test("informational responses without end", async () => {
    const error = await userErrorOf(fetchFrom("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(1000)));
    expect(error.code).toBe("egress_failed");
  });

  test("a TLS handshake that never answers", async () => {
    await withServer(
      () => {},
      async (server) => {
        await withEgress({ limits: { connectTimeoutMs: 30 } }, async (egress) => {
          const call = bindingCall(`https://127.0.0.1:${server.port}/`);
          const error = await userErrorOf(egress.call(call, grants([`127.0.0.1:${server.port}`]), fakeScope()));
          expect(error.message).toContain("the connection was not made in time");
        });
        await server.gone();
      },
    );
  });

  test("a resolver that never answers", async () => {
    const resolve = () => new Promise<never>(() => {});
    await withEgress({ resolve, limits: { connectTimeoutMs: 30 } }, async (egress) => {
      const error = await userErrorOf(egress.call(bindingCall("https://a.test/"), grants(["*"]), fakeScope()));
      expect(error.message).toContain("not resolved in time");
      const scope = fakeScope();
      const call = userErrorOf(egress.call(bindingCall("https://a.test/"), grants(["*"]), scope));
      scope.ender.abort();
      await call;
    });
  });

  test("silence within the body", async () => {
    const response = `${OK}content-length: 10\r\n\r\nabc`;
    const error = await userErrorOf(fetchFrom(response, { limits: { responseIdleMs: 30 } }));
    expect(error.message).toContain("the response stopped coming");
  });

  for (const tls of [undefined, { key: TEST_CERTIFICATE_KEY, cert: TEST_CERTIFICATE }]) {
    const scheme = tls ? "https" : "http";
    test(`a body of 1 GB over ${scheme}: it is cut at the limit, and what nobody reads is not fetched`, async () => {
      const piece = Buffer.alloc(64 * 1024);
      let sent = 0;
      await withServer(
        (socket) => {
          socket.write(`${OK}content-length: ${1024 * MB}\r\n\r\n`);
          const pour = () => {
            while (!socket.destroyed && sent < 1024 * MB) {
              sent += piece.length;
              if (!socket.write(piece)) return;
            }
          };
          socket.on("drain", pour);
          pour();
        },
        async (server) =>
          withEgress({ ca: TEST_CERTIFICATE }, async (egress) => {
            const heldBefore = heldBytes();
            const scope = fakeScope({ bytesMax: 100 * MB });
            const call = bindingCall(`${scheme}://127.0.0.1:${server.port}/`);
            const answer = await egress.call(call, grants([`127.0.0.1:${server.port}`]), scope);
            const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
            await reader.read();
            // Nobody reads for as long as the server goes on sending into the kernel's buffers.
            for (let still = 0, seen = 0; still < 1000; seen = sent) {
              await new Promise((resolve) => setImmediate(resolve));
              still = seen === sent ? still + 1 : 0;
            }
            expect(sent).toBeLessThan(40 * MB);
            let heldMost = 0;
            const drain = async () => {
              for (let looked = 0; !(await reader.read()).done; ) {
                if (scope.bytes - looked < 8 * MB) continue;
                looked = scope.bytes;
                heldMost = Math.max(heldMost, heldBytes() - heldBefore, sent - scope.bytes);
              }
            };
            expect((await userErrorOf(drain())).code).toBe("subrequest_limit");
            await server.gone();
            expect(scope.bytes).toBeLessThan(101 * MB);
            expect(heldMost).toBeLessThan(40 * MB);
          }),
        tls ? { tls } : {},
      );
    });
  }

  test("a body that grows when it is decoded", async () => {
    const zeros = Buffer.alloc(256 * MB);
    const bombs = {
      gzip: gzipSync(zeros, { level: 1 }),
      br: brotliCompressSync(zeros, { params: { 1: 1 } }),
      zstd: zstdCompressSync(zeros),
    };
    for (const [coding, bomb] of Object.entries(bombs)) {
      await withServer(
        (socket) => {
          socket.write(`${OK}content-encoding: ${coding}\r\ncontent-length: ${bomb.length}\r\n\r\n`);
          socket.write(bomb);
        },
        async (server) =>
          withEgress({}, async (egress) => {
            const before = process.memoryUsage().rss;
            const scope = fakeScope({ bytesMax: 8 * MB });
            const call = bindingCall(`http://127.0.0.1:${server.port}/`);
            const answer = await egress.call(call, grants([`127.0.0.1:${server.port}`]), scope);
            expect((await userErrorOf(answerText(answer))).code).toBe("subrequest_limit");
            expect(process.memoryUsage().rss - before).toBeLessThan(64 * MB);
          }).then(() => server.gone()),
      );
    }
  });
});

describe("a response that is whole", () => {
  test("is decoded, whatever it is coded with", async () => {
    const text = "hello ".repeat(10_000);
    const bodies: [string, Buffer][] = [
      ["gzip", gzipSync(text)],
      ["x-gzip", gzipSync(text)],
      ["deflate", deflateSync(text)],
      ["br", brotliCompressSync(text)],
      ["zstd", zstdCompressSync(text)],
      ["gzip, br", brotliCompressSync(gzipSync(text))],
    ];
    for (const [coding, body] of bodies) {
      await withServer(
        (socket) => {
          socket.write(`${OK}content-encoding: ${coding}\r\ncontent-length: ${body.length}\r\nx: y\r\n\r\n`);
          socket.write(body);
        },
        async ({ port }) =>
          withEgress({}, async (egress) => {
            const scope = fakeScope();
            const call = bindingCall(`http://127.0.0.1:${port}/`);
            const answer = await egress.call(call, grants([`127.0.0.1:${port}`]), scope);
            expect(await answerText(answer)).toBe(text);
            expect(answer.headers).toEqual([["x", "y"]]);
            expect(scope.bytes).toBe(text.length);
          }),
      );
    }
  });

  test("keeps a coding that is not known", async () => {
    expect(await fetchFrom(httpResponse("as it is", ["content-encoding: rot13"]))).toBe("as it is");
  });

  test("may end with the connection, when its head says so", async () => {
    expect(await fetchFrom(`${OK}\r\nall of it`, { end: true })).toBe("all of it");
  });

  test("has no body when its status or method says so", async () => {
    expect(await fetchFrom(`${OK}content-length: 100\r\n\r\n`, { method: "HEAD" })).toBe("");
    expect(await fetchFrom("HTTP/1.1 204 No Content\r\n\r\n")).toBe("");
    expect(await fetchFrom("HTTP/1.1 304 Not Modified\r\ncontent-encoding: gzip\r\n\r\n")).toBe("");
  });

  test("may come in single bytes", async () => {
    const response = `HTTP/1.1 103 Early Hints\r\n\r\n${OK}transfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nt: v\r\n\r\n`;
    await withServer(
      (socket) => {
        let at = 0;
        const next = () => {
          if (at < response.length) socket.write(response[at++] ?? "", () => setImmediate(next));
        };
        next();
      },
      async ({ port }) =>
        withEgress({}, async (egress) => {
          const call = bindingCall(`http://127.0.0.1:${port}/`);
          const answer = await egress.call(call, grants([`127.0.0.1:${port}`]), fakeScope());
          expect(await answerText(answer)).toBe("abc");
        }),
    );
  });
});
