/**
 * The guest of the `browser` engine: process 1 of a sandbox, beside a headless Chromium that it starts and that reaches
 * nothing but this guest.
 *
 * The host opens a stream for each instance; the bytes on it are the frames that any guest speaks, and their other end is
 * a page. When the browser is gone the guest ends, and the host starts another.
 */
import { FRAME, type FrameType } from "../../../wire/frame.ts";
import { type Channel, openChannel } from "../../guest/channel.ts";
import { collectOrphans } from "../../guest/first_process.ts";
import { exit, hideProcess, writeAll } from "../../guest/libc.ts";
import { applyHello } from "../../guest/seal.ts";
import { watchDrawing } from "./gpu_watch.ts";
import { Pages } from "./pages.ts";
import { Targets } from "./targets.ts";

/** How often what has lost its parent is collected, in milliseconds. */
const COLLECT_MS = 250;

/** What the browser writes when it cannot start is waited for this long, in milliseconds. */
const WORDS_MS = 500;

/** Where the engine has laid the script of pages. */
const PAGE_SCRIPT = "/page.js";

/** Starts the guest; the last of its arguments is the browser's program. */
export function startBrowserGuest(): void {
  let saidHello = false;
  let pages: Pages | undefined;
  const frame = (type: FrameType, stream: number, payload: Uint8Array) => {
    if (type === FRAME.hello && !saidHello) {
      applyHello(payload);
      hideProcess();
      saidHello = true;
    } else if (type === FRAME.load && stream !== 0) {
      pages?.interrupt(stream);
    } else if (type !== FRAME.ping) {
      exit(1);
    }
  };
  const channel = openChannel({ frame, open: (stream, head) => pages?.accept(stream, head) });
  while (!saidHello) channel.wait();
  channel.resume();
  start(channel).then(
    (started) => {
      pages = started;
      channel.connection.sendText(FRAME.hello, 0, "{}");
      channel.connection.flush();
    },
    // The browser's own words say more, and come a moment later.
    (error) => setTimeout(() => fail(String(error)), WORDS_MS),
  );
}

async function start({ connection }: Channel): Promise<Pages> {
  const script = await Bun.file(PAGE_SCRIPT).text();
  // Its process ends as a rule with its pipes, and has last words; without either, no tab could be opened or ended.
  const mute = () => void setTimeout(() => fail("the browser speaks no more"), WORDS_MS);
  const targets = new Targets(process.argv.at(-1) as string, mute);
  const { chromium } = targets;
  chromium.ended.then((words) => fail(`the browser is gone: ${words}`));
  setInterval(() => collectOrphans((pid) => pid === chromium.pid), COLLECT_MS);
  await targets.ready();
  watchDrawing(targets);
  return new Pages(connection, targets, script);
}

/** What is said here is the reason that the host's log has. */
function fail(reason: string): never {
  writeAll(2, new TextEncoder().encode(`${reason}\n`));
  return exit(1);
}
