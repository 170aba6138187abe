/** Programs that attack their guest, the server and the machine: only their own instance is hurt, and nothing is left. */
import { beforeAll, describe, expect, test } from "bun:test";
import { goneAfter, instances } from "../../testing/children.ts";
import { startProcesses } from "../../testing/process_rig.ts";
import type { TestServer } from "../../testing/server.ts";

/** Runs the attack that the path names and answers with what it came to, when it can. */
const ATTACKER = `
import rt, os, sys, socket, errno, ctypes, signal, mmap, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
def name(error): return errno.errorcode.get(error, str(error))
def attempt(what):
    try: return what() or "done"
    except OSError as error: return name(error.errno)
def connect(address, family=socket.AF_INET, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as s:
        s.settimeout(1); s.connect(address)
def read(path): return open(path, "rb").read(100).decode("latin1")

def fork_bomb():
    count = 0
    try:
        while True:
            if os.fork() == 0: rt.time.sleep(300); os._exit(0)
            count += 1
    except OSError as error: return {"forks": count, "error": name(error.errno)}
def memory():
    held = []
    while True: held.append(bytearray(8 << 20))
def shared():
    held = []
    while True:
        m = mmap.mmap(-1, 8 << 20)
        for at in range(0, 8 << 20, 4096): m[at] = 1
        held.append(m)
def child_memory(): subprocess.run([sys.executable, "-c", "x = []\\nwhile True: x.append(bytearray(8 << 20))"]); rt.time.sleep(60)
def disk():
    written = 0
    try:
        with open("/tmp/fill", "wb") as f:
            while True: written += f.write(b"x" * (1 << 20))
    except OSError as error:
        os.remove("/tmp/fill")
        return {"mb": written >> 20, "error": name(error.errno)}
def inodes():
    for n in range(10_000_000): os.close(os.open("/tmp/%d" % n, os.O_CREAT))
def descriptors():
    held = []
    try:
        while True: held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        count = len(held)
        for fd in held: os.close(fd)
        return {"open": count, "error": name(error.errno)}
def guest():
    PTRACE_ATTACH = 16
    def trace():
        ctypes.set_errno(0)
        if libc.ptrace(PTRACE_ATTACH, 1, 0, 0) != 0: raise OSError(ctypes.get_errno(), "")
    for sig in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP): attempt(lambda: os.kill(1, sig))
    return {"trace": attempt(trace), "memory": attempt(lambda: read("/proc/1/mem")), "environ": attempt(lambda: read("/proc/1/environ")),
        "fds": attempt(lambda: os.listdir("/proc/1/fd")), "root": attempt(lambda: os.listdir("/proc/1/root"))}
def network():
    return {"metadata": attempt(lambda: connect(("169.254.169.254", 80))), "public": attempt(lambda: connect(("1.1.1.1", 53))),
        "server": attempt(lambda: connect(("127.0.0.1", int(os.environ["SERVER_PORT"])))),
        "netlink": attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)),
        "vsock": attempt(lambda: socket.socket(40, socket.SOCK_STREAM)), "raw": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
        "abstract": attempt(lambda: connect("\\0isopod", socket.AF_UNIX))}
def files():
    return {path: attempt(lambda: os.listdir(path) if os.path.isdir(path) else read(path)) for path in
        ("/root", "/home", "/srv", "/var", "/etc/shadow", "/sys", "/etc/passwd")} | {
        "task": attempt(lambda: open("/var/task/x", "w")), "usr": attempt(lambda: open("/usr/x", "w")),
        "proc": attempt(lambda: open("/proc/sys/kernel/core_pattern", "w")), "device": attempt(lambda: os.mknod("/tmp/d", 0o20666, os.makedev(1, 1))),
        "mount": attempt(lambda: (_ for _ in ()).throw(OSError(ctypes.get_errno(), "")) if libc.mount(b"/", b"/tmp", b"", 4096, None) else None),
        "userns": attempt(lambda: (_ for _ in ()).throw(OSError(ctypes.get_errno(), "")) if libc.unshare(0x10000000) else None)}
def orphans():
    for n in range(20): subprocess.Popen(["sh", "-c", "setsid sh -c '(sleep 300 &) ; exit' & exit 0"]).wait()
    return {"ok": True}
def zombies():
    for n in range(600): subprocess.Popen(["sh", "-c", "(true &) ; exit 0"]).wait()
    return {"ok": True}
def flood():
    while True: os.write(1, b"x" * 65536 + b"\\n")
def half_closed():
    for n in range(50):
        s = rt.raw("GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        s.shutdown(socket.SHUT_WR); s.close()
    return {"ok": True}
def garbage():
    answers = set()
    for text in (b"\\0\\1\\2\\r\\n\\r\\n", b"GET / HTTP/1.1\\r\\nbad\\r\\n\\r\\n", b"POST / HTTP/1.1\\r\\nContent-Length: x\\r\\n\\r\\n",
        b"POST / HTTP/1.1\\r\\nContent-Length: 1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n", b"POST / HTTP/1.1\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\nzz\\r\\n", os.urandom(4000) + b"\\r\\n\\r\\n"):
        s = rt.raw(text); s.settimeout(5); answers.add(s.recv(100)[:12].decode("latin1")); s.close()
    return {"answers": sorted(answers)}
def huge_head():
    s = rt.raw("GET / HTTP/1.1\\r\\nx: ")
    try:
        for n in range(1000): s.sendall(b"y" * 65536)
    except OSError as error: return {"error": name(error.errno)}
def slow():
    held = []
    for n in range(200):
        try: held.append(rt.raw("GET /2018-06-01/runtime/invocation/ne"))
        except OSError: pass
    for s in held: s.close()
    while True:
        try: return {"ping": rt.call("GET", "/2018-06-01/ping", at=rt.fresh())[2].decode()}
        except (OSError, rt.http.client.HTTPException): rt.time.sleep(0.01)
def pipelined():
    s = rt.raw(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 10)
    s.close()
    s = rt.raw(b"GET /2018-06-01/ping HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" * 10)
    got = b""
    while got.count(b"pong") < 10: got += s.recv(4096)
    return {"ok": True}

while True:
    id, event, headers = rt.next()
    what = event["rawPath"].split("/")[-1]
    rt.answer(id, globals()[what]() if what in globals() else {"calm": True})
`;

const VICTIM = "import rt\nrt.serve(lambda event: {'well': True})";

let server: TestServer;
let before: ReadonlySet<number>;
beforeAll(async () => {
  before = new Set(instances());
  const config =
    'grace_ms = 0\nlimits = { wall_ms = 15000, cpu_ms = 8000, memory_mb = 64 }\nenv = { SERVER_PORT = "8080" }';
  server = await startProcesses({ attacker: { code: ATTACKER, config }, victim: VICTIM });
  await fetch(`${server.url}/victim`);
}, 30_000);
async function attack(name: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${server.url}/attacker/${name}`);
  const result = (await answer.json()) as Record<string, unknown>;
  expect(await (await fetch(`${server.url}/victim`)).json()).toEqual({ well: true });
  expect(await (await fetch(`${server.url}/attacker/calm`)).json()).toEqual({ calm: true });
  return result;
}
const codeOf = (result: Record<string, unknown>) => (result["error"] as { code?: string }).code;

describe("what would use the machine up", () => {
  test("forks end at a limit", async () => {
    const result = await attack("fork_bomb");
    // Whichever comes first: the number of processes, or the memory of all of them.
    if (typeof result["error"] === "string") expect(result["error"]).toBe("EAGAIN");
    else expect(codeOf(result)).toBe("memory_limit");
  });

  for (const name of ["memory", "shared", "child_memory"]) {
    test(`${name} ends at the limit of memory`, async () => {
      expect(codeOf(await attack(name))).toBe("memory_limit");
    });
  }

  test("a full /tmp is full", async () => {
    const { mb, error } = await attack("disk");
    expect(error).toBe("ENOSPC");
    expect(mb).toBeLessThanOrEqual(32);
  });

  test("files without end end", async () => {
    expect(["memory_limit", "program_ended", "cpu_limit"]).toContain(codeOf(await attack("inodes")) ?? "");
  });

  test("descriptors end at a limit", async () => {
    expect(await attack("descriptors")).toMatchObject({ error: "EMFILE" });
  });

  test("output ends at the limit of the log", async () => {
    expect(codeOf(await attack("flood"))).toBe("log_limit");
  });

  test("orphans do not outlive their instance, and the dead are collected", async () => {
    expect(await attack("orphans")).toEqual({ ok: true });
    expect(await attack("zombies")).toEqual({ ok: true });
  });
});

describe("what would reach somebody else", () => {
  test("the guest cannot be traced, read or killed", async () => {
    const { trace, memory, environ, fds, root } = await attack("guest");
    expect([trace, memory, environ, fds, root]).toEqual(["EPERM", "EACCES", "EACCES", "EACCES", "EACCES"]);
  });

  test("there is no network but the loopback of the sandbox", async () => {
    const all = await attack("network");
    expect(all).toMatchObject({
      metadata: "ENETUNREACH",
      public: "ENETUNREACH",
      server: "ECONNREFUSED",
      abstract: "ECONNREFUSED",
    });
    for (const kind of ["netlink", "vsock"]) expect(all[kind]).toBe("EAFNOSUPPORT");
    expect(["EPERM", "EAFNOSUPPORT"]).toContain(all["raw"] as string);
  });

  test("there are no files of the machine, and none to write to", async () => {
    const all = await attack("files");
    for (const path of ["/root", "/home", "/srv", "/etc/shadow", "/sys"])
      expect([path, all[path]]).toEqual([path, "ENOENT"]);
    expect(all["/var"]).toEqual(expect.arrayContaining(["task", "runtime"]));
    expect(all["/etc/passwd"]).toStartWith("root:x:0:0");
    for (const kind of ["task", "usr"]) expect([kind, all[kind]]).toEqual([kind, "EROFS"]);
    expect(["EACCES", "EROFS", "EPERM"]).toContain(all["proc"] as string);
    for (const kind of ["device", "mount", "userns"]) expect([kind, all[kind]]).toEqual([kind, "EPERM"]);
  });
});

describe("what would confuse the guest", () => {
  test("garbage is refused", async () => {
    // What has a readable head is looked up before its body is found to be none.
    expect(await attack("garbage")).toEqual({ answers: ["HTTP/1.1 400", "HTTP/1.1 404"] });
  });

  test("a head without end is cut off", async () => {
    const { error } = await attack("huge_head");
    expect(["ECONNRESET", "EPIPE"]).toContain(error as string);
  });

  test("connections that say nothing are bounded, and others are served", async () => {
    expect(await attack("slow")).toEqual({ ping: "pong" });
  });

  test("connections closed in the middle, and requests sent ahead, are dealt with", async () => {
    expect(await attack("half_closed")).toEqual({ ok: true });
    expect(await attack("pipelined")).toEqual({ ok: true });
  });
});

test("nothing is left of all of this once the server has ended", async () => {
  await server[Symbol.asyncDispose]();
  await goneAfter(
    instances().filter((pid) => !before.has(pid)),
    3000,
  );
});
