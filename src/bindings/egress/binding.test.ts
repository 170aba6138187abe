import { describe, expect, test } from "bun:test";
import { answerText, bindingCall, describeBinding, fakeScope, userErrorOf } from "../../testing/binding-suite.ts";
import { grants, withEgress, withServer } from "../../testing/egress_rig.ts";
import { httpResponse, startRawServer } from "../../testing/raw_server.ts";
import { TEST_CERTIFICATE, TEST_CERTIFICATE_KEY } from "../../testing/test_certificate.ts";
import { createEgress, type EgressOptions } from "./binding.ts";

const TLS = { key: TEST_CERTIFICATE_KEY, cert: TEST_CERTIFICATE };
const ON_LOOPBACK = { resolve: async () => [{ address: "127.0.0.1", family: 4 }] };

describeBinding("egress", async () => {
  const server = await startRawServer((socket, request) => {
    if (request.startsWith("GET /good")) socket.write(httpResponse("good"));
    if (request.startsWith("GET /endless")) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nbegun");
  });
  const base = `http://127.0.0.1:${server.port}`;
  return {
    binding: createEgress(),
    grant: grants([`127.0.0.1:${server.port}`]),
    good: bindingCall(`${base}/good`),
    denied: bindingCall("https://denied.test/"),
    silent: bindingCall(`${base}/silent`),
    endless: bindingCall(`${base}/endless`),
    gone: () => server.gone(),
    close: () => server.close(),
  };
});

describe("the allow-list", () => {
  test("is asked before a name is resolved", async () => {
    const asked: string[] = [];
    const resolve = async (host: string) => {
      asked.push(host);
      return [];
    };
    await withEgress({ resolve }, async (egress) => {
      const call = (url: string, allow: string[]) =>
        userErrorOf(egress.call(bindingCall(url), grants(allow), fakeScope()));
      for (const [url, ...allow] of [
        ["https://secret-data.evil.test/"],
        ["https://example.test/", "api.example.test"],
        ["http://api.example.test/", "api.example.test"],
        ["https://api.example.test:8443/", "api.example.test"],
        ["https://api.example.test/", "POST api.example.test"],
        ["https://example.test/", "*.example.test"],
        ["https://api.example.test/", "10.0.0.0/8"],
      ] as string[][]) {
        expect((await call(url ?? "", allow)).code).toBe("egress_denied");
      }
      expect(asked).toEqual([]);
    });
  });

  test("allows by method, port and scheme", async () => {
    await withServer(
      (socket) => socket.write(httpResponse("yes")),
      async ({ port }) =>
        withEgress(ON_LOOPBACK, async (egress) => {
          const call = (method: string, allow: string) =>
            egress.call(
              bindingCall(`http://api.test:${port}/`, { method }),
              grants([allow, "127.0.0.1:*"]),
              fakeScope(),
            );
          expect(await answerText(await call("GET", `http://api.test:${port}`))).toBe("yes");
          expect(await answerText(await call("GET", `GET *.test:*`))).toBe("yes");
          expect((await userErrorOf(call("GET", `https://api.test:${port}`))).code).toBe("egress_denied");
          expect((await userErrorOf(call("POST", `GET api.test:${port}`))).code).toBe("egress_denied");
        }),
    );
  });

  test("refuses an address that is not public, in every spelling, unless it is named", async () => {
    await withEgress({}, async (egress) => {
      for (const host of [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "①②⑦.⓪.⓪.①",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "[fe80::1]",
      ]) {
        const error = await userErrorOf(egress.call(bindingCall(`https://${host}/`), grants(["*"]), fakeScope()));
        expect([host, error.code]).toEqual([host, "egress_denied"]);
      }
    });
  });

  test("says nothing of the address that a name has", async () => {
    const resolve = async () => [{ address: "10.9.8.7", family: 4 }];
    await withEgress({ resolve }, async (egress) => {
      const error = await userErrorOf(egress.call(bindingCall("https://internal.test/"), grants(["*"]), fakeScope()));
      expect(error.code).toBe("egress_denied");
      expect(error.message).not.toContain("10.9");
    });
  });

  test("localhost names loopback for that name alone", async () => {
    await withServer(
      (socket) => socket.write(httpResponse("local")),
      async ({ port }) =>
        withEgress(ON_LOOPBACK, async (egress) => {
          const call = (host: string) =>
            egress.call(bindingCall(`http://${host}:${port}/`), grants([`localhost:${port}`, "*:*"]), fakeScope());
          expect(await answerText(await call("localhost"))).toBe("local");
          expect((await userErrorOf(call("rebound.test"))).code).toBe("egress_denied");
          expect((await userErrorOf(call("127.0.0.1"))).code).toBe("egress_denied");
        }),
    );
  });
});

describe("the address", () => {
  test("is resolved once a request, and the one that was checked is connected to", async () => {
    await withServer(
      (socket) => socket.write(httpResponse("reached")),
      async (server) => {
        const answers = ["203.0.113.7", "127.0.0.1"];
        let asked = 0;
        // Public first, private when asked again: the second answer must never be seen.
        const resolve = async () => [{ address: answers[Math.min(asked++, 1)] ?? "", family: 4 }];
        await withEgress({ resolve, limits: { connectTimeoutMs: 50 } }, async (egress) => {
          const call = bindingCall(`http://rebinding.test:${server.port}/`);
          await userErrorOf(egress.call(call, grants(["*:*", "203.0.113.0/24:*"]), fakeScope()));
          expect(asked).toBe(1);
          expect(server.connections).toBe(0);
        });
      },
    );
  });

  test("is chosen among those that are allowed, and another is tried when one does not answer", async () => {
    await withServer(
      (socket) => socket.write(httpResponse("reached")),
      async (server) => {
        const addresses = ["10.0.0.1", "garbage", "fe80::1%eth0", "::1", "127.0.0.3", "127.0.0.1"];
        const resolve = async () => addresses.map((address) => ({ address, family: 4 }));
        await withEgress({ resolve }, async (egress) => {
          const allow = ["many.test:*", "127.0.0.0/8:*"];
          const answer = await egress.call(bindingCall(`http://many.test:${server.port}/`), grants(allow), fakeScope());
          expect(await answerText(answer)).toBe("reached");
        });
      },
    );
  });

  test("is IPv6 when named so", async () => {
    await withServer(
      (socket) => socket.write(httpResponse("six")),
      async ({ port }) =>
        withEgress({}, async (egress) => {
          const call = bindingCall(`http://[::1]:${port}/`);
          expect(await answerText(await egress.call(call, grants([`[::1]:${port}`]), fakeScope()))).toBe("six");
        }),
      { host: "::1" },
    );
  });

  test("is never that of a proxy from the environment", async () => {
    const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"];
    await withServer(
      (socket) => socket.destroy(),
      async (proxy) =>
        withServer(
          (socket) => socket.write(httpResponse("direct")),
          async ({ port }) => {
            const before = names.map((name) => process.env[name]);
            for (const name of names) process.env[name] = `http://127.0.0.1:${proxy.port}`;
            try {
              await withEgress({}, async (egress) => {
                const call = bindingCall(`http://127.0.0.1:${port}/`);
                const answer = await egress.call(call, grants([`127.0.0.1:${port}`]), fakeScope());
                expect(await answerText(answer)).toBe("direct");
              });
            } finally {
              names.forEach((name, at) => {
                if (before[at] === undefined) delete process.env[name];
                else process.env[name] = before[at];
              });
            }
            expect(proxy.connections).toBe(0);
          },
        ),
    );
  });
});

describe("TLS", () => {
  const call = async (host: string, options: EgressOptions, port: number) => {
    const egress = createEgress({ ...ON_LOOPBACK, ...options });
    try {
      const allow = grants([`${host}:${port}`, `127.0.0.1:${port}`]);
      return await answerText(await egress.call(bindingCall(`https://${host}:${port}/`), allow, fakeScope()));
    } finally {
      await egress.close();
    }
  };
  const sni = (socket: object) => String("servername" in socket ? socket.servername : undefined);

  test("says and verifies the host's name while the connection goes to the checked address", async () => {
    await withServer(
      (socket, request) => socket.write(httpResponse(`${sni(socket)} ${/host: (.*)/i.exec(request)?.[1]}`)),
      async ({ port }) => {
        const ca = TEST_CERTIFICATE;
        expect(await call("secure.test", { ca }, port)).toBe(`secure.test secure.test:${port}`);
        expect(await call("a.secure.test", { ca }, port)).toBe(`a.secure.test a.secure.test:${port}`);
        expect(await call("127.0.0.1", { ca }, port)).toEndWith(` 127.0.0.1:${port}`);
        const other = await userErrorOf(call("other.test", { ca }, port));
        expect(other.message).toContain("the server's certificate is for another host");
        const unknown = await userErrorOf(call("secure.test", {}, port));
        expect(unknown.message).toContain("certificate");
      },
      { tls: TLS },
    );
  });

  test("fails readably when the server does not speak it", async () => {
    await withServer(
      (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"),
      async ({ port }) => {
        const error = await userErrorOf(call("secure.test", {}, port));
        expect(error.code).toBe("egress_failed");
      },
    );
  });

  test("is verified whatever the environment says", async () => {
    await withServer(
      (socket) => socket.write(httpResponse("trusted")),
      async ({ port }) => {
        process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
        try {
          await userErrorOf(call("secure.test", {}, port));
        } finally {
          delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
        }
      },
      { tls: TLS },
    );
  });
});

describe("the request", () => {
  const seen = async (more: Parameters<typeof bindingCall>[1], path = "/") => {
    let request = "";
    const { promise, resolve } = Promise.withResolvers<void>();
    await withServer(
      (socket, chunk) => {
        request += chunk;
        if (!request.includes("\r\n\r\n")) return;
        socket.write(httpResponse("ok"));
        resolve();
      },
      async ({ port }) =>
        withEgress({}, async (egress) => {
          const call = bindingCall(`http://127.0.0.1:${port}${path}`, more);
          await answerText(await egress.call(call, grants([`127.0.0.1:${port}`]), fakeScope()));
          await promise;
        }),
    );
    return request;
  };

  test("has none of the headers that are the host's to set", async () => {
    const request = await seen({
      headers: [
        ["Host", "evil.test"],
        ["connection", "upgrade"],
        ["upgrade", "websocket"],
        ["transfer-encoding", "chunked"],
        ["content-length", "5"],
        ["expect", "100-continue"],
        ["proxy-authorization", "basic x"],
        ["te", "trailers"],
        ["x-kept", "yes"],
      ],
    });
    expect(request).toContain("x-kept: yes");
    expect(request).not.toMatch(/evil|upgrade|transfer-encoding|content-length|expect|proxy|^te:/im);
    expect(request).toMatch(/user-agent: isopod\r\naccept-encoding: gzip/);
  });

  test("cannot be split by what the program writes", async () => {
    const bad: Parameters<typeof bindingCall>[1][] = [
      { headers: [["x", "a\r\nhost: evil"]] },
      { headers: [["x\r\ny", "a"]] },
      { headers: [["x", "snow\u2603"]] },
      { method: "GET / HTTP/1.1\r\n" },
      { method: "CONNECT" },
      { headers: [["x", "y".repeat(70_000)]] },
    ];
    for (const more of bad) expect((await userErrorOf(seen(more))).code).toBe("egress_failed");
    expect(await seen({}, "/a%0d%0ab?c=\r\nd")).toStartWith("GET /a%0d%0ab?c=d HTTP/1.1\r\n");
  });

  test("is of HTTP, without a password", async () => {
    await withEgress({}, async (egress) => {
      for (const url of ["file:///etc/passwd", "ftp://a.test/", "nonsense", "https://u:hunter2@a.test/"]) {
        const error = await userErrorOf(egress.call(bindingCall(url), grants(["*"]), fakeScope()));
        expect(error.code).toBe("egress_failed");
        expect(error.message).not.toContain("hunter2");
      }
    });
  });

  test("counts against the calls of its owner", async () => {
    await withServer(
      () => {},
      async ({ port }) =>
        withEgress({ limits: { callsPerOwnerMax: 1 } }, async (egress) => {
          const allow = grants([`127.0.0.1:${port}`]);
          const scope = fakeScope();
          const first = userErrorOf(egress.call(bindingCall(`http://127.0.0.1:${port}/`), allow, scope));
          const second = await userErrorOf(egress.call(bindingCall(`http://127.0.0.1:${port}/`), allow, fakeScope()));
          expect(second.message).toContain("1 outgoing requests");
          scope.ender.abort();
          await first;
        }),
    );
  });
});
