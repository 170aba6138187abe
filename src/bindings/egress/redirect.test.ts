import { describe, expect, test } from "bun:test";
import type { Binding, BindingCall } from "../../core/binding.ts";
import type { EgressGrant } from "../../core/function.ts";
import { answerText, bindingCall, type FakeScope, fakeScope, userErrorOf } from "../../testing/binding-suite.ts";
import { grants, withEgress } from "../../testing/egress_rig.ts";
import { httpResponse, type RawServer, startRawServer } from "../../testing/raw_server.ts";
import { Policy } from "./policy.ts";
import { targetOf } from "./request.ts";

const SECRETS = [{ placeholder: "{{secret:token}}", value: "s3cr3t-$&-value", hosts: ["a.test", "*.sub.test"] }];

/** Two origins on one server, told apart by their names; each path redirects as it says, the rest is echoed. */
async function withRedirects(
  run: (world: {
    server: RawServer;
    egress: Binding<EgressGrant>;
    allowed: EgressGrant;
    base: string;
  }) => Promise<void>,
): Promise<void> {
  const server: RawServer = await startRawServer((socket, request) => {
    const [, status, location] = /^\S+ \/(\d+)\/(\S*) /.exec(request) ?? [];
    if (status === undefined || location === undefined) socket.write(httpResponse(request));
    else {
      const where = decodeURIComponent(location).replaceAll("PORT", String(server.port));
      socket.write(httpResponse("moved", [`location: ${where}`], `${status} Moved`));
    }
  });
  try {
    await withEgress({ resolve: async () => [{ address: "127.0.0.1", family: 4 }] }, async (egress) => {
      const allow = [`a.test:${server.port}`, `b.test:${server.port}`, `x.sub.test:${server.port}`, "127.0.0.1:*"];
      await run({ server, egress, allowed: grants(allow, SECRETS), base: `http://a.test:${server.port}` });
    });
  } finally {
    await server.close();
  }
}

const to = (status: number, location: string) => `/${status}/${encodeURIComponent(location)}`;
const stream = (...parts: string[]) => new Response(parts.join("")).body as ReadableStream<Uint8Array>;

describe("redirects", () => {
  test("are followed as fetch does", async () => {
    await withRedirects(async ({ egress, allowed, base }) => {
      const cases: [status: number, method: string, becomes: string, body: boolean][] = [
        [301, "GET", "GET", false],
        [302, "POST", "GET", false],
        [301, "POST", "GET", false],
        [301, "PUT", "PUT", true],
        [303, "PUT", "GET", false],
        [303, "HEAD", "HEAD", false],
        [307, "POST", "POST", true],
        [308, "POST", "POST", true],
      ];
      for (const [status, method, becomes, withBody] of cases) {
        const body = method === "GET" || method === "HEAD" ? null : stream("the body");
        const headers = body ? ([["content-type", "text/x"]] as const) : [];
        const scope = fakeScope();
        const call = bindingCall(`${base}${to(status, "/end?x=1")}`, { method, body, headers });
        const answer = await egress.call(call, allowed, scope);
        const text = await answerText(answer);
        expect(answer.redirected).toBe(true);
        expect(answer.url).toBe(`${base}/end?x=1`);
        expect(scope.subrequests).toBe(2);
        if (method === "HEAD") continue;
        expect(text).toStartWith(`${becomes} /end?x=1 HTTP/1.1`);
        expect(/content-type/.test(text)).toBe(withBody);
      }
    });
  });

  test("are handed over, or refused, when the call says so", async () => {
    await withRedirects(async ({ egress, allowed, base }) => {
      const url = `${base}${to(302, "/end")}`;
      const manual = await egress.call(bindingCall(url, { redirect: "manual" }), allowed, fakeScope());
      expect(manual.status).toBe(302);
      expect(manual.redirected).toBe(false);
      expect(await answerText(manual)).toBe("moved");
      const error = await userErrorOf(egress.call(bindingCall(url, { redirect: "error" }), allowed, fakeScope()));
      expect(error.code).toBe("egress_failed");
    });
  });

  test("are checked like a first request, name and address", async () => {
    await withRedirects(async ({ egress, allowed, base }) => {
      const refused: [location: string, code: string][] = [
        ["http://c.test:PORT/", "egress_denied"],
        ["http://a.test:1/", "egress_denied"],
        ["http://169.254.169.254/latest/meta-data/", "egress_denied"],
        ["http://[::1]:PORT/", "egress_denied"],
        ["file:///etc/passwd", "egress_failed"],
        ["http://u:p@a.test:PORT/", "egress_failed"],
        ["http://", "egress_failed"],
      ];
      for (const [location, code] of refused) {
        const call = egress.call(bindingCall(base + to(302, location)), allowed, fakeScope());
        expect([location, (await userErrorOf(call)).code]).toEqual([location, code]);
      }
    });
  });

  test("end after 20, and count as requests", async () => {
    const server: RawServer = await startRawServer((socket) =>
      socket.write(httpResponse("", ["location: /again"], "302 Found")),
    );
    const call = (egress: Binding<EgressGrant>, scope: FakeScope) => {
      const request: BindingCall = bindingCall(`http://127.0.0.1:${server.port}/`);
      return userErrorOf(egress.call(request, grants([`127.0.0.1:${server.port}`]), scope));
    };
    await withEgress({}, async (egress) => {
      const scope = fakeScope();
      expect((await call(egress, scope)).message).toContain("more than 20 redirects");
      expect(scope.subrequests).toBe(21);
      expect((await call(egress, fakeScope({ subrequestsMax: 3 }))).code).toBe("subrequest_limit");
    });
    await server.close();
  });

  test("send a body again only when little of it has gone", async () => {
    await withRedirects(async ({ egress, allowed, base }) => {
      const send = (size: number) => {
        const body = stream("x".repeat(size));
        return egress.call(bindingCall(`${base}${to(307, "/end")}`, { method: "POST", body }), allowed, fakeScope());
      };
      expect(await answerText(await send(1000))).toContain("x".repeat(100));
      expect((await userErrorOf(send(5_000_000))).code).toBe("egress_failed");
    });
  });

  test("take what identifies the caller no further than its origin", async () => {
    await withRedirects(async ({ egress, allowed, base }) => {
      const headers = [
        ["authorization", "Bearer mine"],
        ["cookie", "a=b"],
        ["x-token", "{{secret:token}}"],
        ["x-plain", "plain"],
      ] as const;
      const follow = async (location: string) => {
        const answer = await egress.call(bindingCall(base + to(302, location), { headers }), allowed, fakeScope());
        return await answerText(answer);
      };
      const same = await follow("/end");
      expect(same).toContain("authorization: Bearer mine");
      expect(same).toContain(`x-token: ${SECRETS[0]?.value}`);
      // Also towards a host that the secret belongs to: the program asked for another.
      for (const host of ["b.test", "x.sub.test"]) {
        const other = await follow(`http://${host}:PORT/end`);
        expect(other).toContain("x-plain: plain");
        expect(other).not.toMatch(/authorization|cookie|x-token|s3cr3t/);
      }
    });
  });
});

describe("a secret", () => {
  test("is put in towards its hosts alone, in headers alone", async () => {
    await withRedirects(async ({ egress, allowed, server }) => {
      const placeholder = "{{secret:token}}";
      const headers = [["authorization", `Bearer ${placeholder}, ${placeholder}`]] as const;
      const ask = async (host: string) => {
        const url = `http://${host}:${server.port}/?q=${placeholder}`;
        return await answerText(await egress.call(bindingCall(url, { headers }), allowed, fakeScope()));
      };
      for (const host of ["a.test", "x.sub.test"]) {
        const request = await ask(host);
        expect(request).toContain("Bearer s3cr3t-$&-value, s3cr3t-$&-value");
        expect(request.split("\r\n")[0]).not.toContain("s3cr3t");
      }
      for (const host of ["b.test", "127.0.0.1"]) {
        expect(await ask(host)).toContain(`Bearer ${placeholder}, ${placeholder}`);
      }
    });
  });

  test("does not travel in clear text beyond this machine", () => {
    const policy = new Policy({ allow: [], secrets: SECRETS });
    const headers = [["x-token", "{{secret:token}}"]] as const;
    expect(policy.inject(headers, targetOf("GET", new URL("http://a.test/")), false)).toEqual(headers);
    expect(policy.inject(headers, targetOf("GET", new URL("https://a.test/")), false)).not.toEqual(headers);
  });

  test("is in no error", async () => {
    await withEgress({ resolve: async () => [{ address: "127.0.0.1", family: 4 }] }, async (egress) => {
      const headers = [["x-token", "{{secret:token}}"]] as const;
      const bad = (value: string) =>
        egress.call(
          bindingCall("http://a.test:1/", { headers }),
          grants(["a.test:1", "127.0.0.1:1"], [{ placeholder: "{{secret:token}}", value, hosts: ["a.test"] }]),
          fakeScope(),
        );
      for (const value of ["s3cr3t", "s3cr3t\r\nhost: evil"]) {
        const error = await bad(value).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(Error);
        expect(Bun.inspect(error)).not.toContain("s3cr3t");
      }
    });
  });
});
