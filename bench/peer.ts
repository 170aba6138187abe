/** A server that is measured: a process of its own that listens on a port which it chose itself. */

/** A running peer. */
export interface Peer extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  readonly pid: number;
}

const START_MS_MAX = 15_000;

/** Processes that must not outlive this one. */
const started = new Set<Bun.Subprocess>();
process.on("exit", () => {
  for (const child of started) child.kill("SIGTERM");
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130));

/** Ends `child` when this process ends, also when it is told to by a signal. */
export function endWithUs(child: Bun.Subprocess): void {
  started.add(child);
  child.exited.then(() => started.delete(child));
}

/**
 * Starts a peer that writes `"port":NUMBER`, or what `portIn` finds, to its standard output when it listens.
 * @throws {Error} when it ends or says nothing in time
 */
export async function startPeer(name: string, command: readonly string[], portIn = /"port":(\d+)/): Promise<Peer> {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit" });
  endWithUs(child);
  const end = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  try {
    const port = await readPort(child.stdout, portIn);
    return { name, port, pid: child.pid, [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw new Error(`Cannot start ${name}: ${error instanceof Error ? error.message : error}`);
  }
}

async function readPort(output: ReadableStream<Uint8Array>, portIn: RegExp): Promise<number> {
  const reader = output.getReader();
  const late = setTimeout(() => reader.cancel("late"), START_MS_MAX);
  let text = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`it did not say its port within ${START_MS_MAX} ms: ${JSON.stringify(text)}`);
      text += new TextDecoder().decode(value);
      const port = portIn.exec(text)?.[1];
      if (port !== undefined) return Number(port);
    }
  } finally {
    clearTimeout(late);
    reader.releaseLock();
  }
}

/** Resolves when `test` is true. @throws {Error} that says `what` did not come about in time */
export async function until(what: string, test: () => boolean | Promise<boolean>, msMax = START_MS_MAX): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!(await test())) {
    if (performance.now() > deadline) throw new Error(`Cannot wait for ${what}: not so within ${msMax} ms`);
    await Bun.sleep(20);
  }
}
