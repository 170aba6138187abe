/**
 * Notices the end of the launcher (`bin/isopod`, a small Node process): nothing that it started may outlive it, not
 * even when it was killed and could pass no signal on. It holds one end of a pipe, whose other end is read here.
 * Signals end what a command serves in the same way.
 */

/** Calls `onGone` when the launcher is gone; does nothing when this process was not started by one. */
export function watchLauncher(onGone: () => void): void {
  const fd = Number(process.env["ISOPOD_LIFELINE_FD"]);
  if (!Number.isInteger(fd) || fd < 3) return;
  // Programs that are started from here are not the launcher's.
  delete process.env["ISOPOD_LIFELINE_FD"];
  readToEnd(fd).then(onGone, () => {});
}

/** Resolves when somebody asks the server to end, also while it is still starting. A second time ends it at once. */
export function waitForEnd(): Promise<void> {
  return new Promise((resolveEnd) => {
    let asked = false;
    const ask = (code: number) => {
      if (asked) process.exit(code);
      asked = true;
      resolveEnd();
    };
    process.on("SIGINT", () => ask(130));
    process.on("SIGTERM", () => ask(143));
    watchLauncher(() => ask(137));
  });
}

async function readToEnd(fd: number): Promise<void> {
  for await (const _ of Bun.file(fd).stream()) {
    // Nothing is ever written.
  }
}
