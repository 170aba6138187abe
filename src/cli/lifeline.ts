/**
 * Notices the end of the launcher (`bin/isopod`, a small Node process): nothing that it started may outlive it, not
 * even when it was killed and could pass no signal on. It holds one end of a pipe, whose other end is read here.
 */

/** Calls `onGone` when the launcher is gone; does nothing when this process was not started by one. */
export function watchLauncher(onGone: () => void): void {
  const fd = Number(process.env["ISOPOD_LIFELINE_FD"]);
  if (!Number.isInteger(fd) || fd < 3) return;
  // Programs that are started from here are not the launcher's.
  delete process.env["ISOPOD_LIFELINE_FD"];
  readToEnd(fd).then(onGone, () => {});
}

async function readToEnd(fd: number): Promise<void> {
  for await (const _ of Bun.file(fd).stream()) {
    // Nothing is ever written.
  }
}
