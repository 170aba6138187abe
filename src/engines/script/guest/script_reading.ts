/**
 * When a script's guest reads from the host: only while there is something to come.
 *
 * A script is over when its event loop has nothing left to wait for, and reading is something to wait for. So it
 * begins with the first call or the first look at the input, and stops when nothing more is expected.
 */
import type { Channel } from "../../guest/channel.ts";

/** A timer that only keeps the event loop alive, in milliseconds. */
const HOLD_MS = 2 ** 30;

/** The reading of one script. */
export class ScriptReading {
  readonly #channel: Channel;
  #expectsMore = false;
  #holding: ReturnType<typeof setInterval> | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Takes in whether something is expected of the host, and whether the script's top level is over. */
  update(expectsMore: boolean, evaluated: boolean): void {
    this.#expectsMore = expectsMore;
    if (expectsMore) {
      this.#channel.resume();
      // A stream that is read again after a pause does not keep the event loop alive by itself.
      this.#holding ??= setInterval(() => {}, HOLD_MS);
    } else if (evaluated) {
      // A turn later: who has its answer often asks again at once.
      setImmediate(() => this.#stop());
    }
  }

  #stop(): void {
    if (this.#expectsMore) return;
    clearInterval(this.#holding);
    this.#holding = undefined;
    this.#channel.quiesce();
  }
}
