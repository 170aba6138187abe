/** Programs that turn on their guest and on their own pipes: each hurts its own instance alone, and is told by its name. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { errorOf, startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

/** Does what the path names, as the Runtime API's client. */
const API = `
import rt, os, socket, sys, threading, subprocess
born = rt.time.time_ns()
def flood():
    done = []
    def ask():
        c = rt.fresh()
        for n in range(50): done.append(rt.call("GET", "/2018-06-01/ping", at=c)[0])
    threads = [threading.Thread(target=ask) for n in range(16)]
    for t in threads: t.start()
    for t in threads: t.join()
    return {"asked": len(done), "answers": sorted(set(done))}
def nexts():
    held = [rt.raw("GET " + rt.RUNTIME + "invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n") for n in range(60)]
    for s in held: s.settimeout(10)
    got = set(s.recv(4096).split(b"\\r\\n")[2] for s in held)
    for s in held: s.close()
    return {"same": len(got)}
def bodies():
    held = []
    for n in range(100):
        s = rt.raw("POST /2020-01-01/extension/register HTTP/1.1\\r\\nContent-Length: 1000000\\r\\n\\r\\n" + "x" * 1000)
        held.append(s)
    return {"ping": rt.call("GET", "/2018-06-01/ping", at=rt.fresh())[2].decode()}
def drip():
    s = rt.raw("")
    for byte in b"GET /2018-06-01/ping HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n": s.sendall(bytes([byte]))
    return {"drip": s.recv(4096).decode().split("\\r\\n\\r\\n")[1]}
def unread():
    held = []
    for n in range(20):
        s = rt.raw("GET " + rt.RUNTIME + "invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 200)
        held.append(s)
    return {"ping": rt.call("GET", "/2018-06-01/ping", at=rt.fresh())[2].decode()}
def socket_gone():
    os.unlink(os.environ["ISOPOD_API_SOCKET"])
    return {"ping": rt.call("GET", "/2018-06-01/ping", at=rt.fresh())[2].decode()}
def outputs_gone():
    for fd in (0, 1, 2): os.close(fd)
    return {"silent": True}
def dup_over():
    for fd in range(3, 200):
        if fd != rt.api.sock.fileno():
            try: os.close(fd)
            except OSError: pass
    return {"closed": True}
def ports():
    taken = []
    for port in (9001, 9002):
        s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try: s.bind(("127.0.0.1", port)); s.listen(); taken.append(port)
        except OSError as e: pass
    return {"taken": taken, "ping": rt.call("GET", "/2018-06-01/ping", at=rt.fresh())[2].decode()}
def daemon():
    subprocess.Popen(["setsid", "sh", "-c", "trap '' TERM HUP; exec sleep " + os.environ["MARK"]], stdin=0, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return {"left": True}
def daemon_and_end():
    daemon()
    os._exit(3)
def daemon_and_sleep():
    daemon()
    rt.time.sleep(300)
while True:
    id, event, headers = rt.next()
    what = event["rawPath"].split("/")[-1]
    rt.answer(id, globals()[what]() if what in globals() else {"born": born})
`;

/** Speaks in lines, and does what an event says. */
const LINES = (input: string, output: string, close: string) => `
import json, os, sys, time
answers = ${output}
for line in ${input}:
    what = json.loads(line).get("what")
    if what == "output": ${close}; time.sleep(300)
    if what == "input": os.close(0); sys.stdin = None; answers.write('"closed"\\n'); answers.flush(); time.sleep(300)
    if what == "remove": [os.unlink("/tmp/" + name) for name in os.listdir("/tmp") if name.startswith("runtime-")]
    if what == "half": answers.write('"no end'); answers.flush(); os._exit(6)
    if what == "blank": answers.write("\\n\\n  \\n")
    answers.write(json.dumps({"got": what}) + "\\n"); answers.flush()
`;

const MARK = String(100_000 + Math.floor(Math.random() * 900_000));

let server: TestServer;
beforeAll(async () => {
  const limits = "limits = { wall_ms = 15000, cpu_ms = 10000, memory_mb = 96 }";
  const env = `grace_ms = 100\nenv = { MARK = "${MARK}" }`;
  server = await startProcesses({
    api: { code: API, config: `instances = 1\n${env}\n${limits}` },
    brief: { code: API, config: `instances = 1\n${env}\nlimits = { wall_ms = 4000, memory_mb = 96 }` },
    lines: {
      code: LINES("sys.stdin", "sys.stdout", "os.close(1)"),
      config: `instances = 1\ndialect = "stdio"\nevent = "json"\n${limits}`,
    },
    pipes: {
      code: LINES('open("/tmp/runtime-input")', 'open("/tmp/runtime-output", "w")', "answers.close()"),
      config: `instances = 1\ndialect = "stdio"\nlines = "pipes"\nevent = "json"\n${limits}`,
    },
    victim: "import rt\nrt.serve(lambda event: {'well': True})",
  });
  await fetch(`${server.url}/victim`);
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const victim = async () => expect(await (await fetch(`${server.url}/victim`)).json()).toEqual({ well: true });
const ask = async (what: string) => {
  const result = (await (await fetch(`${server.url}/api/${what}`)).json()) as Record<string, unknown>;
  await victim();
  return result;
};
const tell = (name: string, what: string) =>
  fetch(`${server.url}/${name}`, { method: "POST", body: JSON.stringify({ what }) });

/** Processes of this machine that sleep for as long as no other test's would. */
function marked(): number[] {
  return readdirSync("/proc").flatMap((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "latin1").includes(MARK) ? [Number(name)] : [];
    } catch {
      return [];
    }
  });
}

async function noneMarked(): Promise<void> {
  while (marked().length > 0) await new Promise((resolve) => setImmediate(resolve));
}

describe("the guest", () => {
  test.each<[string, Record<string, unknown>]>([
    ["flood", { asked: 800, answers: [200] }],
    ["nexts", { same: 1 }],
    ["bodies", { ping: "pong" }],
    ["drip", { drip: "pong" }],
    ["unread", { ping: "pong" }],
    ["socket_gone", { ping: "pong" }],
    ["outputs_gone", { silent: true }],
    ["dup_over", { closed: true }],
  ])("stands %s", async (what, expected) => {
    expect(await ask(what)).toEqual(expected);
  });

  test("keeps its ports, or loses nobody's calls but its own program's", async () => {
    const { ping } = await ask("ports");
    expect(ping).toBe("pong");
  });
});

describe("a daemon that has left its session", () => {
  test("stays with its instance, and goes with it", async () => {
    expect(await ask("daemon")).toEqual({ left: true });
    expect(marked().length).toBeGreaterThan(0);
    const answer = await fetch(`${server.url}/api/daemon_and_end`);
    expect(await errorOf(answer)).toMatchObject({ code: "program_ended" });
    await noneMarked();
  });

  test("does not outlive a timeout", async () => {
    const answer = await fetch(`${server.url}/brief/daemon_and_sleep`);
    expect([answer.status, (await errorOf(answer)).code]).toEqual([504, "wall_limit"]);
    await noneMarked();
    await victim();
  });
});

describe("pipes", () => {
  for (const name of ["lines", "pipes"]) {
    test(`${name}: blank lines are nothing, and an answer without an end is none`, async () => {
      expect(await (await tell(name, "blank")).json()).toEqual({ got: "blank" });
      expect(await errorOf(await tell(name, "half"))).toMatchObject({ code: "program_ended" });
      expect(await (await tell(name, "well")).json()).toEqual({ got: "well" });
    });
  }

  test("an output that is closed is an error with a name, long before the deadline", async () => {
    const began = performance.now();
    const { code, message } = await errorOf(await tell("lines", "output"));
    expect([code, message]).toEqual(["dialect_error", "The program has closed its standard output."]);
    expect(performance.now() - began).toBeLessThan(14_000);
    expect(await (await tell("lines", "well")).json()).toEqual({ got: "well" });
  });

  test("an input that is closed is the next one's error, and the one after has another instance", async () => {
    expect(await (await tell("lines", "input")).json()).toBe("closed");
    const { code } = await errorOf(await tell("lines", "well"));
    expect(["dialect_error", "wall_limit"]).toContain(code);
    expect(await (await tell("lines", "well")).json()).toEqual({ got: "well" });
  });

  test("named pipes that are removed while they are open are open all the same", async () => {
    expect(await (await tell("pipes", "remove")).json()).toEqual({ got: "remove" });
    expect(await (await tell("pipes", "well")).json()).toEqual({ got: "well" });
  });
});
