/**
 * Notices the end of the launcher (`bin/isopod`, a small Node process): nothing that it started may outlive it, not
 * even when it was killed and could pass no signal on. It holds one end of a pipe, whose other end is read here.
 * Signals end what a command serves in the same way.
 */
import { isatty } from "node:tty";

/** Calls `onGone` when the launcher is gone; does nothing when this process was not started by one. */
export function watchLauncher(onGone: () => void): void {
  const fd = Number(process.env["ISOPOD_LIFELINE_FD"]);
  if (!Number.isInteger(fd) || fd < 3) return;
  // Programs that are started from here are not the launcher's.
  delete process.env["ISOPOD_LIFELINE_FD"];
  readToEnd(fd).then(onGone, () => {});
}

/**
 * A signal to a whole group of processes (a service manager's, that of `timeout`) comes twice: by itself, and passed on
 * by the launcher. Signals within this long of the first, in milliseconds, are therefore the same request.
 */
const ONE_REQUEST_MS = 1000;

/**
 * Resolves when somebody asks the server to end, also while it is still starting. A second time ends it at once.
 * A hangup ends it too; where it means something else, `hangup` is called, unless the terminal has gone.
 */
export function waitForEnd(hangup?: () => void): Promise<void> {
  return new Promise((resolveEnd) => {
    let askedAt: number | undefined;
    const ask = (code: number, sameForMs = ONE_REQUEST_MS) => {
      const now = performance.now();
      if (askedAt !== undefined && now - askedAt >= sameForMs) process.exit(code);
      askedAt ??= now;
      resolveEnd();
    };
    process.on("SIGINT", () => ask(130));
    process.on("SIGTERM", () => ask(143));
    const terminal = isatty(0);
    process.on("SIGHUP", () => {
      if (hangup === undefined || (terminal && !isatty(0))) ask(129);
      else hangup();
    });
    watchLauncher(() => ask(137, 0));
  });
}

async function readToEnd(fd: number): Promise<void> {
  for await (const _ of Bun.file(fd).stream()) {
    // Nothing is ever written.
  }
}
