/**
 * Watches the process that draws for all pages of a browser: one page's shader that never ends would hold up the pictures
 * and the WebGL of every other, and Chromium's own watchdog takes no part where software draws.
 *
 * While that process computes much, a pixel is asked for that is drawn behind all that waits there. When it does not come in
 * time, the process is ended: Chromium starts another at once, pages lose their WebGL contexts, and the one that did it gets no other.
 */
import { kill } from "./kill.ts";
import type { Target, Targets } from "./targets.ts";
import { within } from "./time_limit.ts";

/** How often it is looked at, in milliseconds. */
const LOOK_MS = 2000;
/** So much of a core makes it suspect: on a machine that is busy, more may not be to be had. */
const SUSPECT_SHARE = 0.2;
/** One pixel takes some milliseconds; what pages have drawn at once before it may take this long, in milliseconds. */
const PIXEL_MS_MAX = 4000;

/** Draws a pixel and reads it; false where there is no WebGL, or its context was lost with the process before. */
const DRAW = `(() => {
  const gl = (globalThis.gl ??= new OffscreenCanvas(1, 1).getContext("webgl"));
  if (gl === null || gl.isContextLost()) return false;
  gl.clear(gl.COLOR_BUFFER_BIT);
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  return !gl.isContextLost();
})()`;

interface ProcessInfo {
  readonly type: string;
  readonly id: number;
  /** In seconds, since its start. */
  readonly cpuTime: number;
}

/** Watches the drawing process of a browser for as long as the guest lives. */
export function watchDrawing(targets: Targets): void {
  let tab: Target | undefined;
  let before: ProcessInfo | undefined;

  const draw = async () => {
    if (tab === undefined || !targets.has(tab)) tab = await targets.open();
    const mine = tab;
    const { result } = await targets.call("Runtime.evaluate", { expression: DRAW, returnByValue: true }, mine.session);
    if ((result as { readonly value?: boolean }).value === true) return;
    // The next has a tab of its own, whose way to the process is new.
    tab = undefined;
    targets.release(mine);
    await targets.call("Target.closeTarget", { targetId: mine.id });
  };
  const look = async () => {
    const { processInfo } = await targets.call("SystemInfo.getProcessInfo");
    const now = (processInfo as readonly ProcessInfo[]).find(({ type }) => type === "GPU");
    const spent = now !== undefined && now.id === before?.id ? now.cpuTime - before.cpuTime : 0;
    before = now;
    if (now === undefined || spent < (SUSPECT_SHARE * LOOK_MS) / 1000) return;
    const drawn = draw();
    // What it waits for has limits of its own, which are longer.
    drawn.catch(() => {});
    await within(PIXEL_MS_MAX, drawn).catch(() => kill(now.id));
  };
  const next = async () => {
    await look().catch(() => {});
    setTimeout(next, LOOK_MS);
  };
  setTimeout(next, LOOK_MS);
}
