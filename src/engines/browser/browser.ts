/**
 * One browser in its sandbox, which the functions of one project share: its guest's connection, its tabs, its end.
 *
 * The guest is as hostile as any: what it sends is checked by the connection, what it says of processes is looked up among
 * those of its own sandbox.
 */
import type { GuestProcess, Launch, ProcessEnd } from "../../core/engine.ts";
import { IsopodError } from "../../core/errors.ts";
import { insideProcesses } from "../../sandbox/inside_processes.ts";
import { onlyChild, UsageReader } from "../../sandbox/usage.ts";
import { deferred } from "../../stdx/deferred.ts";
import { Connection } from "../../wire/connection.ts";
import { FRAME, type FrameType, HOST_ACCEPTS } from "../../wire/frame.ts";
import { parseJson } from "../../wire/heads.ts";
import { encodeParcel } from "../../wire/parcels.ts";
import { Patrol } from "./patrol.ts";
import { type TabOwner, TabProcess } from "./tab_process.ts";

/** A browser must be there within this time, in milliseconds. */
const START_MS = 20_000;

/** One that is older than this is replaced, in milliseconds. */
const AGE_MS = 60 * 60 * 1000;

/** A browser. */
export class Browser implements TabOwner {
  /** Settles when it is gone. */
  readonly gone: Promise<ProcessEnd>;
  /** Settles when it can have tabs. @throws {IsopodError} `start_failed` */
  readonly ready: Promise<void>;
  /** Set when it is to be replaced. */
  due = false;
  /** Since when it has had no tab, in milliseconds of the process's clock; undefined while it has some. */
  idleSince: number | undefined = performance.now();
  /** Whether it had tabs when it died. */
  hadTabs = false;
  readonly tabs = new Set<TabProcess>();
  readonly #process: GuestProcess;
  readonly #connection: Connection;
  readonly #hello = deferred<void>();
  readonly #startedAt = performance.now();
  readonly #patrol: Patrol;
  readonly #tabsMax: number;
  #opened = 0;

  /** @param tabsMax after so many tabs it has served its time */
  constructor(process: GuestProcess, tabsMax: number) {
    this.#process = process;
    this.#tabsMax = tabsMax;
    this.#connection = new Connection({
      side: "host",
      accepts: HOST_ACCEPTS,
      events: { frame: (type, stream, payload) => this.#frame(type, stream, payload), open: () => undefined },
      write: (bytes) => process.write(bytes),
      defer: setImmediate,
    });
    this.#patrol = new Patrol(() => onlyChild(process.pid), this);
    process.read({ data: (chunk) => this.#take(chunk), end: () => process.kill() });
    this.gone = this.#watch();
    this.ready = this.#start();
  }

  get pid(): number {
    return this.#process.pid;
  }

  get layers(): readonly string[] {
    return [...this.#process.layers, "chromium"];
  }

  get hasEndedLoose(): boolean {
    return this.#patrol.hasEndedLoose;
  }

  /** Whether it has served its time. */
  get isSpent(): boolean {
    return this.#opened >= this.#tabsMax || performance.now() - this.#startedAt > AGE_MS || this.#patrol.isFat;
  }

  /** Opens a tab. @throws {IsopodError} `start_failed` */
  async open({ memoryBytes, key }: Launch): Promise<GuestProcess> {
    await this.ready;
    const tab = new TabProcess(this, memoryBytes);
    this.#opened += 1;
    this.idleSince = undefined;
    this.tabs.add(tab);
    tab.begin(this.#connection.open(JSON.stringify({ key }), tab));
    this.#process.limitMemory(this.#patrol.bytesMax);
    return tab;
  }

  /** Gives it no more tabs, and ends it with its last one. */
  retire(): void {
    this.due = true;
    if (this.tabs.size === 0) this.kill();
  }

  /** Ends it at once, with everything in it. */
  kill(): void {
    this.#process.kill();
  }

  flush(): void {
    this.#connection.flush();
  }

  interrupt(stream: number): void {
    this.#connection.sendText(FRAME.load, stream, "{}");
    this.#connection.flush();
  }

  ended(tab: TabProcess): void {
    this.tabs.delete(tab);
    if (this.tabs.size === 0) this.idleSince = performance.now();
    if (this.due && this.tabs.size === 0) this.kill();
  }

  async #start(): Promise<void> {
    const { seal, ...hello } = this.#process.hello;
    this.#connection.sendBytes(FRAME.hello, 0, encodeParcel(hello, seal));
    this.#connection.flush();
    const late = setTimeout(() => this.#fail("the browser was not there in time"), START_MS);
    try {
      await this.#hello.promise;
    } finally {
      clearTimeout(late);
    }
  }

  async #watch(): Promise<ProcessEnd> {
    const end = await this.#process.exited;
    const cause = `the browser ended with ${end.code}: ${end.stderr.trim()}`;
    this.#hello.reject(new IsopodError("start_failed", { cause }));
    this.#patrol.close();
    this.hadTabs = this.tabs.size > 0;
    const reason = "The browser that the page ran in has ended";
    for (const tab of [...this.tabs]) tab.finished({ ...end, outOfMemory: false, reason });
    this.#connection.close();
    return end;
  }

  #take(chunk: Uint8Array): void {
    try {
      this.#connection.receive(chunk);
    } catch (error) {
      this.#fail(String(error));
    }
  }

  #frame(type: FrameType, stream: number, payload: Uint8Array): void {
    if (type === FRAME.hello) return this.#hello.resolve();
    const tab = [...this.tabs].find(({ id }) => id === stream);
    if (type === FRAME.ready && tab !== undefined) this.#located(tab, payload);
    else if (type !== FRAME.ready) this.#fail(`a frame of type ${type}`);
  }

  /** The guest says which process renders a tab, by the sandbox's own number. */
  #located(tab: TabProcess, payload: Uint8Array): void {
    const { pid } = parseJson(payload) as { pid?: unknown };
    const first = onlyChild(this.#process.pid);
    const found = first === undefined ? undefined : insideProcesses(first).find((each) => each.pid === pid);
    if (found === undefined || tab.renderer !== undefined) return;
    try {
      tab.renderer = new UsageReader(found.hostPid);
      this.#patrol.claim(found.hostPid);
    } catch {
      // Gone meanwhile: the guest will say so.
    }
  }

  #fail(cause: string): void {
    this.#hello.reject(new IsopodError("start_failed", { cause }));
    this.kill();
  }
}
