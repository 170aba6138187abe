/** URLs of databases: what they may say, where a tenant's may lead, and what is asked of certificates. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { IsopodError } from "../../../core/errors.ts";
import { PostgresRig } from "../../../testing/postgres_rig.ts";
import { PostgresServer, postgresFolder } from "../../../testing/postgres_server.ts";
import { type IsPublic, readAddress } from "./address.ts";

const missing = postgresFolder() === undefined;
const isPublic: IsPublic = (address) => address === "192.0.2.1";
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: IsopodError) => error,
  );

test("a URL says who, where, and what is asked of the certificate", async () => {
  const read = (url: string) => readAddress(url, undefined);
  expect(await read("postgres://u:p%40@db.test:5433/n?options=-c%20a%3Db&application_name=x")).toEqual({
    ...{ host: "db.test", port: 5433, user: "u", password: "p@", database: "n", options: "-c a=b", tls: undefined },
  });
  expect(await read("postgresql://u@localhost/n?host=/run/postgresql")).toMatchObject({
    host: "/run/postgresql",
    port: 5432,
  });
  expect(await read("postgres://u@[::1]")).toMatchObject({ host: "::1", database: "u", password: "" });
  const terms = async (mode: string, host = "db.test") => (await read(`postgres://u@${host}/n?sslmode=${mode}`)).tls;
  expect(await terms("disable")).toBeUndefined();
  expect(await terms("require")).toEqual({ rejectUnauthorized: false, servername: "db.test" });
  expect(await terms("verify-full")).toEqual({ rejectUnauthorized: true, servername: "db.test" });
  expect(await terms("verify-full", "192.0.2.1")).toEqual({ rejectUnauthorized: true });
  expect(await terms("verify-ca")).toMatchObject({
    rejectUnauthorized: true,
    checkServerIdentity: expect.any(Function),
  });
});

test("a URL that says something else is refused, without a piece of it but a parameter's name", async () => {
  for (const [url, said] of [
    ["no url of hunter2", "cannot be read"],
    ["mysql://hunter2:p@h/d", "not of postgres://"],
    ["postgres://:hunter2@h/d", "names no user"],
    ["postgres://u%00x:hunter2@h/d", "NUL"],
    ["postgres://u:hunter2%ff@h/d", "percent-encoded"],
    ["postgres://u@h/d?options=%00hunter2", "NUL"],
    ["postgres://u@h/d?sslmode=verify_full", "unknown sslmode"],
    ["postgres://u@h/d?sslmode=prefer", "unknown sslmode"],
    ["postgres://u@h/d?ssl=hunter2", '"ssl"'],
    ["postgres://u@h/d?sslmode=verify-full&sslrootcert=/nowhere/hunter2", "cannot be read"],
  ] as const) {
    const error = await errorOf(readAddress(url, undefined));
    expect([url, error?.code, error?.message]).toEqual([url, "binding_failed", expect.stringContaining(said)]);
    expect(error?.message).not.toContain("hunter2");
  }
});

test("a tenant's URL leads to public addresses, by TLS, and to no file", async () => {
  expect(await readAddress("postgres://u@192.0.2.1/d", isPublic)).toMatchObject({
    ...{ host: "192.0.2.1", tls: { rejectUnauthorized: false } },
  });
  expect((await readAddress("postgres://u@192.0.2.1/d?sslmode=disable", isPublic)).tls).toBeUndefined();
  for (const host of [
    "127.0.0.1",
    "localhost",
    "[::1]",
    "10.0.0.1",
    "169.254.169.254",
    "0x7f.1",
    "2130706433",
    "0",
    "",
  ]) {
    expect([host, (await errorOf(readAddress(`postgres://u@${host}/d`, isPublic)))?.code]).toEqual([
      host,
      "binding_failed",
    ]);
  }
  for (const parameter of ["host=/tmp", "host=localhost", "host=127.0.0.1", "sslrootcert=/etc/passwd"]) {
    const error = await errorOf(readAddress(`postgres://u@192.0.2.1/d?${parameter}`, isPublic));
    expect([parameter, error?.code]).toEqual([parameter, "binding_failed"]);
  }
});

describe.skipIf(missing)(missing ? "TLS (skipped: PostgreSQL is not installed)" : "TLS", () => {
  let server: PostgresServer;
  const rig = new PostgresRig(() => server.url());
  beforeAll(async () => {
    server = await PostgresServer.start();
    await server.admin("CREATE USER scram PASSWORD 'p@ss'");
    const rules = ["local all all trust", "hostnossl all admin 127.0.0.1/32 trust", "hostssl all admin all trust"];
    await Bun.write(
      `${server.directory}/data/pg_hba.conf`,
      [...rules, "hostssl all scram all scram-sha-256", ""].join("\n"),
    );
    await server.admin("SELECT pg_reload_conf()");
  }, 60_000);
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });
  const secure = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
  const ask = (user: string, rest: string, host = "127.0.0.1", port = server.port) =>
    rig.query(secure, [], { url: `postgres://${user}@${host}:${port}/postgres?${rest}` });

  test("is used as the URL asks, with a password that is never sent", async () => {
    const authority = `sslrootcert=${server.directory}/server.crt`;
    expect((await ask("admin", "sslmode=disable")).r).toEqual([[false]]);
    expect((await ask("scram:p%40ss", "sslmode=require")).r).toEqual([[true]]);
    expect((await ask("scram:p%40ss", `sslmode=verify-full&${authority}`)).r).toEqual([[true]]);
    expect((await ask("scram:p%40ss", `sslmode=verify-ca&${authority}`, "localhost")).r).toEqual([[true]]);
    for (const [user, rest, host] of [
      ["scram:wrong", "sslmode=require", "127.0.0.1"],
      ["scram:p%40ss", "sslmode=disable", "127.0.0.1"],
      ["scram:p%40ss", "sslmode=verify-full", "127.0.0.1"],
      ["scram:p%40ss", `sslmode=verify-full&${authority}`, "localhost"],
    ] as const) {
      const error = await errorOf(ask(user, rest, host));
      expect([user, rest, error?.code]).toEqual([user, rest, "binding_failed"]);
      expect(JSON.stringify([error?.message, error?.details])).not.toMatch(/127\.0\.0\.1|scram/);
    }
  });

  test("is also what a cancel goes by", async () => {
    const url = `${server.url("postgres", "admin")}?sslmode=require`;
    const since = performance.now();
    await expect(rig.query("SELECT pg_sleep(60)", [], { url, workMs: 200 })).rejects.toMatchObject({
      code: "sql_timeout",
    });
    // Not heard, it would have been ended after 500 ms more.
    expect(performance.now() - since).toBeLessThan(650);
  });

  test("is not done without where it is asked for and nobody speaks it", async () => {
    const plain = Bun.listen({
      ...{ hostname: "127.0.0.1", port: 0 },
      socket: { data: (socket) => void socket.write("N") },
    });
    const error = await errorOf(ask("admin", "sslmode=require", "127.0.0.1", plain.port));
    expect(error?.code).toBe("binding_failed");
    plain.stop(true);
  });
});
