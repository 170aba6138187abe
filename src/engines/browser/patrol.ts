/**
 * Watches what belongs to no tab in particular: the browser's own processes, and renderers of workers, frames and
 * temporary pages. The pool watches the tabs.
 *
 * Memory that is out of bounds ends the process that has it, which the browser survives, or else the browser. A renderer
 * of nobody that computes on and on is ended, too.
 */
import { commandOf, insideProcesses } from "../../sandbox/inside_processes.ts";
import { signal } from "../../sandbox/tree.ts";
import { UsageReader } from "../../sandbox/usage.ts";

/** How often it looks, in milliseconds. */
const LOOK_MS = 250;

const MB = 1024 * 1024;

/** What the browser's own processes may use together, in bytes, and what makes a browser due for replacement. */
const OWN_BYTES_MAX = 1024 * MB;
const OWN_BYTES_FAT = 768 * MB;

/** What a process without a tab may use, in bytes, and for how long it may use more than half a core, in milliseconds. */
const LOOSE_BYTES_MAX = 384 * MB;
const LOOSE_BUSY_MS = 10_000;

/** What the end of a process explains, in milliseconds after it. */
const LATELY_MS = 1000;

/** Whose processes they are. */
export interface Patrolled {
  readonly tabs: Iterable<{ readonly memoryBytes: number }>;
  kill(): void;
}

interface Known {
  readonly role: string;
  readonly usage: UsageReader;
  cpuMs: number;
  busyMs: number;
  /** Of a tab. */
  claimed: boolean;
}

/** The patrol of one browser. */
export class Patrol {
  /** The browser has grown enough to be replaced. */
  isFat = false;
  readonly #first: () => number | undefined;
  readonly #browser: Patrolled;
  readonly #known = new Map<number, Known>();
  readonly #timer: Timer;
  #lookedAt = performance.now();
  #endedAt = Number.NEGATIVE_INFINITY;

  /** @param first the sandbox's first process, as the host numbers it */
  constructor(first: () => number | undefined, browser: Patrolled) {
    this.#first = first;
    this.#browser = browser;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Whether a process of no known tab has just been ended for its memory. */
  get hasEndedLoose(): boolean {
    return performance.now() - this.#endedAt < LATELY_MS;
  }

  /** What the whole sandbox may use, in bytes. */
  get bytesMax(): number {
    let all = OWN_BYTES_MAX + LOOSE_BYTES_MAX;
    for (const { memoryBytes } of this.#browser.tabs) all += memoryBytes;
    return all;
  }

  /** The process is a tab's, which the pool watches. */
  claim(hostPid: number): void {
    const known = this.#know(hostPid);
    if (known !== undefined) known.claimed = true;
  }

  close(): void {
    clearInterval(this.#timer);
    for (const { usage } of this.#known.values()) usage.close();
    this.#known.clear();
  }

  #look(): void {
    const now = performance.now();
    const passedMs = now - this.#lookedAt;
    this.#lookedAt = now;
    const first = this.#first();
    if (first === undefined) return;
    const present = new Set(insideProcesses(first).map(({ hostPid }) => hostPid));
    for (const [hostPid, { usage }] of this.#known) {
      if (present.has(hostPid)) continue;
      usage.close();
      this.#known.delete(hostPid);
    }
    let own = 0;
    for (const hostPid of present) own += this.#lookAt(hostPid, passedMs);
    this.isFat = own > OWN_BYTES_FAT;
    if (own > OWN_BYTES_MAX) this.#browser.kill();
  }

  /** What a process uses of what is the browser's own, in bytes. */
  #lookAt(hostPid: number, passedMs: number): number {
    const known = this.#know(hostPid);
    const usage = known?.usage.read();
    if (known === undefined || usage === undefined || known.claimed) return 0;
    const spentMs = usage.cpuMs - known.cpuMs;
    known.cpuMs = usage.cpuMs;
    // Above half a core it rises, below it falls: pauses do not make up for what was used.
    known.busyMs = Math.max(0, known.busyMs + spentMs - passedMs / 2);
    const isRenderer = known.role === "renderer";
    const isLoose = isRenderer || known.role === "gpu-process";
    if (isLoose && usage.memoryBytes > LOOSE_BYTES_MAX) {
      this.#endedAt = performance.now();
      signal(hostPid, "SIGKILL");
    } else if (isRenderer && known.busyMs > LOOSE_BUSY_MS / 2) signal(hostPid, "SIGKILL");
    return isLoose ? 0 : usage.memoryBytes;
  }

  #know(hostPid: number): Known | undefined {
    const known = this.#known.get(hostPid);
    // A process is forked under its parent's command line; it has its own a moment later.
    if (known !== undefined && known.role !== "zygote" && known.role !== "") return known;
    const role =
      commandOf(hostPid)
        .find((word) => word.startsWith("--type="))
        ?.slice(7) ?? "";
    if (known?.role === role) return known;
    try {
      const made = { role, usage: new UsageReader(hostPid), cpuMs: 0, busyMs: 0, claimed: known?.claimed ?? false };
      known?.usage.close();
      this.#known.set(hostPid, made);
      return made;
    } catch {
      return undefined;
    }
  }
}
