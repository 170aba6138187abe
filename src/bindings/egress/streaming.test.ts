import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { IsopodError } from "../../core/errors.ts";
import { answerText, bindingCall, fakeScope, userErrorOf } from "../../testing/binding-suite.ts";
import { grants, withEgress, withServer } from "../../testing/egress_rig.ts";
import { httpResponse } from "../../testing/raw_server.ts";

const OK = "HTTP/1.1 200 OK\r\n";

/** A body that counts what is pulled from it and says when it is cancelled. */
function countedBody(chunks: number, size: number) {
  const cancelled = Promise.withResolvers<void>();
  const counted = { pulled: 0, cancelled: cancelled.promise };
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(sink) {
        if (counted.pulled++ < chunks) sink.enqueue(new Uint8Array(size));
        else sink.close();
      },
      cancel: () => cancelled.resolve(),
    },
    { highWaterMark: 0 },
  );
  return { counted, stream };
}

describe("a body that is sent", () => {
  test("streams while the response streams back", async () => {
    await withServer(
      (socket, chunk) => {
        if (chunk.startsWith("POST")) socket.write(`${OK}transfer-encoding: chunked\r\n\r\n`);
        for (const [word] of chunk.matchAll(/ping|pong/g)) socket.write(`4\r\n${word.toUpperCase()}\r\n`);
        if (chunk.endsWith("0\r\n\r\n")) socket.write("0\r\n\r\n");
      },
      async ({ port }) =>
        withEgress({}, async (egress) => {
          const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
          const writer = writable.getWriter();
          const call = bindingCall(`http://127.0.0.1:${port}/`, { method: "POST", body: readable });
          writer.write(Buffer.from("ping")).catch(() => {});
          const answer = await egress.call(call, grants([`127.0.0.1:${port}`]), fakeScope());
          const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
          expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("PING");
          await writer.write(Buffer.from("pong"));
          expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("PONG");
          await writer.close();
          expect((await reader.read()).done).toBe(true);
        }),
    );
  });

  test("waits for a server that does not read, and is cancelled with the call", async () => {
    await withServer(
      (socket) => socket.pause(),
      async (server) => {
        await withEgress({}, async (egress) => {
          const { counted, stream } = countedBody(10_000, 64 * 1024);
          const scope = fakeScope();
          const call = bindingCall(`http://127.0.0.1:${server.port}/`, { method: "PUT", body: stream });
          const failure = userErrorOf(egress.call(call, grants([`127.0.0.1:${server.port}`]), scope));
          for (let still = 0, seen = 0; still < 1000; seen = counted.pulled) {
            await new Promise((resolve) => setImmediate(resolve));
            still = counted.pulled > 0 && seen === counted.pulled ? still + 1 : 0;
          }
          expect(counted.pulled).toBeLessThan(500);
          scope.ender.abort();
          await failure;
          await counted.cancelled;
        });
      },
    );
  });

  test("is given up when the response is complete before it", async () => {
    await withServer(
      (socket, chunk) => {
        if (chunk.includes("\r\n\r\n")) socket.write(httpResponse("too large", [], "413 Too Large"));
      },
      async (server) => {
        await withEgress({}, async (egress) => {
          const { counted, stream } = countedBody(100_000, 1024);
          const call = bindingCall(`http://127.0.0.1:${server.port}/`, { method: "PUT", body: stream });
          const answer = await egress.call(call, grants([`127.0.0.1:${server.port}`]), fakeScope());
          expect(answer.status).toBe(413);
          expect(await answerText(answer)).toBe("too large");
          await counted.cancelled;
          await server.gone();
        });
      },
    );
  });

  test("keeps a length that is right and fails with one that is wrong", async () => {
    let seen = "";
    await withServer(
      (socket, chunk) => {
        seen += chunk;
        if (seen.endsWith("abc")) socket.write(httpResponse("ok"));
      },
      async ({ port }) =>
        withEgress({}, async (egress) => {
          const send = (lengths: string[]) =>
            egress.call(
              bindingCall(`http://127.0.0.1:${port}/`, {
                method: "POST",
                body: new Response("abc").body as ReadableStream<Uint8Array>,
                headers: lengths.map((length) => ["content-length", length] as const),
              }),
              grants([`127.0.0.1:${port}`]),
              fakeScope(),
            );
          expect(await answerText(await send(["3"]))).toBe("ok");
          expect(seen).toContain("content-length: 3\r\n");
          expect(seen).not.toContain("transfer-encoding");
          for (const length of ["2", "4"]) expect((await userErrorOf(send([length]))).code).toBe("egress_failed");
        }),
    );
  });

  test("fails the call when it fails", async () => {
    await withServer(
      () => {},
      async (server) =>
        withEgress({}, async (egress) => {
          const body = new ReadableStream<Uint8Array>({ pull: (sink) => sink.error(new Error("the guest's own")) });
          const call = bindingCall(`http://127.0.0.1:${server.port}/`, { method: "POST", body });
          await userErrorOf(egress.call(call, grants([`127.0.0.1:${server.port}`]), fakeScope()));
          await server.gone();
        }),
    );
  });
});

describe("a connection", () => {
  const ask = (port: number, options: Parameters<typeof fakeScope>[0] = {}) =>
    [bindingCall(`http://127.0.0.1:${port}/`), grants([`127.0.0.1:${port}`]), fakeScope(options)] as const;

  test("serves the next request of its owner, and of nobody else", async () => {
    await withServer(
      (socket) => socket.write(httpResponse("ok")),
      async (server) => {
        await withEgress({}, async (egress) => {
          const answers: number[] = [];
          const owners = [
            { functionName: "one" },
            { functionName: "one" },
            { functionName: "two" },
            { functionName: undefined, requestId: "one" },
            { functionName: undefined, requestId: "one" },
            { functionName: undefined, requestId: "two" },
          ];
          for (const owner of owners) {
            await answerText(await egress.call(...ask(server.port, owner)));
            answers.push(server.connections);
          }
          expect(answers).toEqual([1, 1, 2, 3, 3, 4]);
        });
        await server.gone();
      },
    );
  });

  test("is not used again after an answer that says so, or one that nobody read to its end", async () => {
    const responses = [
      httpResponse("bye", ["connection: close"]),
      `${OK}content-length: 5\r\n\r\nab`,
      `${OK}content-length: 2\r\n\r\nab${httpResponse("poison")}`,
      httpResponse("clean"),
      httpResponse("clean"),
    ];
    await withServer(
      (socket) => socket.write(responses.shift() ?? ""),
      async (server) =>
        withEgress({}, async (egress) => {
          expect(await answerText(await egress.call(...ask(server.port)))).toBe("bye");
          const unread = await egress.call(...ask(server.port));
          await (unread.body as ReadableStream<Uint8Array>).cancel();
          expect(await answerText(await egress.call(...ask(server.port)))).toBe("ab");
          expect(await answerText(await egress.call(...ask(server.port)))).toBe("clean");
          expect(await answerText(await egress.call(...ask(server.port)))).toBe("clean");
          expect(server.connections).toBe(4);
        }),
    );
  });

  test("that its server has closed meanwhile is replaced, unseen by the program", async () => {
    let answered = 0;
    await withServer(
      (socket) => {
        // The second request on each connection is never answered.
        if (answered++ % 2 === 1) socket.destroy();
        else socket.write(httpResponse("ok"));
      },
      async (server) =>
        withEgress({}, async (egress) => {
          for (let at = 0; at < 3; at++) expect(await answerText(await egress.call(...ask(server.port)))).toBe("ok");
          expect(server.connections).toBe(3);
        }),
    );
  });

  test("is kept after answers without a body", async () => {
    await withServer(
      (socket) => socket.write("HTTP/1.1 204 No Content\r\n\r\n"),
      async (server) =>
        withEgress({}, async (egress) => {
          for (let at = 0; at < 3; at++) await egress.call(...ask(server.port));
          expect(server.connections).toBe(1);
        }),
    );
  });

  test("that is idle too long, or too many, is closed", async () => {
    await withServer(
      (socket) => socket.write(httpResponse("ok")),
      async (server) => {
        await withEgress({ limits: { idleConnectionsMax: 0 } }, async (egress) => {
          await answerText(await egress.call(...ask(server.port)));
          await server.gone();
        });
        await withEgress({ limits: { idleConnectionMs: 20 } }, async (egress) => {
          await answerText(await egress.call(...ask(server.port)));
          await server.gone();
        });
      },
    );
  });

  test("that is refused says so without the address", async () => {
    const free = await new Promise<number>((resolve) => {
      const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
      const { port } = listener;
      listener.stop(true);
      resolve(port);
    });
    // Nothing listens there any more.
    await new Promise((resolve) => connect({ host: "127.0.0.1", port: free }).on("error", resolve));
    const resolve = async () => [{ address: "127.0.0.1", family: 4 }];
    await withEgress({ resolve }, async (egress) => {
      const call = bindingCall(`http://name.test:${free}/`);
      const allow = grants([`name.test:${free}`, `127.0.0.1:${free}`]);
      const error = await userErrorOf(egress.call(call, allow, fakeScope()));
      expect(error.message).toBe(
        `Cannot fetch GET http://name.test:${free}/: the connection was refused (ECONNREFUSED)`,
      );
    });
  });

  test("is found by the machine's own resolver", async () => {
    await withServer(
      (socket) => socket.write(httpResponse("local")),
      async ({ port }) =>
        withEgress({}, async (egress) => {
          const call = bindingCall(`http://localhost:${port}/`);
          expect(await answerText(await egress.call(call, grants([`localhost:${port}`]), fakeScope()))).toBe("local");
        }),
    );
  });
});

test("calls that are ended at random points leave nothing open", async () => {
  const responses = [
    "",
    "garbage\r\n\r\n",
    httpResponse("ok"),
    httpResponse("", ["location: /next"], "302 Found"),
    httpResponse("x".repeat(300_000)),
    `${OK}content-length: 10\r\n\r\nabc`,
  ];
  let served = 0;
  await withServer(
    (socket) => socket.write(responses[served++ % responses.length] ?? ""),
    async (server) => {
      await withEgress({}, async (egress) => {
        const one = async (at: number) => {
          const scope = fakeScope({ functionName: `f${at % 5}` });
          const body = at % 3 === 0 ? (new Response("y".repeat(10_000)).body as ReadableStream<Uint8Array>) : null;
          const call = bindingCall(`http://127.0.0.1:${server.port}/`, { method: body ? "POST" : "GET", body });
          // Each call has from 0 to 39 turns of the event loop.
          const answer = egress
            .call(call, grants([`127.0.0.1:${server.port}`]), scope)
            .then(answerText)
            .catch((error: unknown) => expect(error).toBeInstanceOf(IsopodError));
          for (let turn = (at * 7) % 40; turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
          scope.ender.abort();
          await answer;
        };
        for (let at = 0; at < 1000; at += 20) await Promise.all(Array.from({ length: 20 }, (_, i) => one(at + i)));
      });
      await server.gone();
    },
  );
});
