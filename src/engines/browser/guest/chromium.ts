/** The browser's process: started beside the guest, spoken to by two pipes, and gone with it. */

import { Cdp, type CdpListener, type CdpValue } from "./cdp.ts";
import { CHROMIUM_FLAGS } from "./flags.ts";

/** How much of what it writes to its standard error is kept, in characters. */
const WORDS_LENGTH_MAX = 2000;

const ENVIRONMENT = { HOME: "/tmp", TMPDIR: "/tmp", LANG: "C.UTF-8", TZ: "UTC", PATH: "/usr/bin:/bin" };

/** The running browser. */
export class Chromium {
  readonly pid: number;
  /** Settles when it is gone, with the last of what it wrote. */
  readonly ended: Promise<string>;
  readonly #cdp: Cdp;

  /** @param program its path */
  constructor(program: string, listener: CdpListener) {
    const child = Bun.spawn([program, ...CHROMIUM_FLAGS], {
      stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
      env: ENVIRONMENT,
      cwd: "/tmp",
    });
    this.pid = child.pid;
    this.#cdp = new Cdp(child.stdio[3] as unknown as number, child.stdio[4] as unknown as number, listener);
    const words = lastWords(child.stderr);
    this.ended = child.exited.then(() => Promise.race([words, Bun.sleep(100).then(() => "")]));
  }

  /** Calls a method of the browser, or of the target that `session` is attached to. @throws {CdpError} */
  call(method: string, params?: CdpValue, session?: string): Promise<CdpValue> {
    return this.#cdp.call(method, params, session);
  }
}

async function lastWords(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) text = (text + decoder.decode(chunk, { stream: true })).slice(-WORDS_LENGTH_MAX);
  return text;
}
