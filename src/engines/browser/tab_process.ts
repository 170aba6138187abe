/**
 * One instance as the pool has it: a tab in a browser that several share, as if it were a process of its own.
 *
 * Its bytes go over one stream of the browser's connection, under that stream's credit, so that a tab which does not read,
 * or is not read, holds up no other.
 */
import type { GuestProcess, GuestReader, ProcessEnd, Usage } from "../../core/engine.ts";
import { deferred } from "../../stdx/deferred.ts";
import { FAR_FLUSH_BYTES } from "../../wire/connection.ts";
import { parseReset } from "../../wire/heads.ts";
import type { StreamEvents, WireStream } from "../../wire/stream.ts";

/** Bytes in one frame. */
const CHUNK_BYTES = 64 * 1024;

/** How much a page may leave unread, in bytes: more than the largest program and what its invocations' credit allows. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024;

/** The share of its memory that a page has used when it crashes for want of more. */
const FULL_SHARE = 0.7;

const NO_USAGE: Usage = { cpuMs: 0, memoryBytes: 0 };
const SIGKILL = 128 + 9;
const SIGSEGV = 128 + 11;

/** What a tab needs of its browser. */
export interface TabOwner {
  readonly pid: number;
  readonly layers: readonly string[];
  /** Whether the browser is to be replaced. */
  readonly due: boolean;
  /** Whether a process of no known tab has just been ended for its memory. */
  readonly hasEndedLoose: boolean;
  /** Writes what is buffered. */
  flush(): void;
  /** Asks the guest to stop what the tab on `stream` runs. */
  interrupt(stream: number): void;
  /** The tab is over. */
  ended(tab: TabProcess): void;
}

/** The tab. */
export class TabProcess implements GuestProcess, StreamEvents {
  readonly hello = { rlimits: [], dataBytes: 0, seal: new Uint8Array(0) };
  readonly exited: Promise<ProcessEnd>;
  readonly flushBytes = FAR_FLUSH_BYTES;
  /** The limit of its memory, in bytes. */
  memoryBytes: number;
  stray: ((text: string) => void) | undefined;
  /** Reads what its renderer uses, once that is known. */
  renderer: { read(): Usage | undefined; close(): void } | undefined;
  readonly #owner: TabOwner;
  readonly #end = deferred<ProcessEnd>();
  #stream: WireStream | undefined;
  #reader: GuestReader | undefined;
  /** What came before there was a reader. */
  #early: Uint8Array[] = [];
  #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  /** What the guest is owed while nobody reads. */
  #held = 0;
  #paused = false;
  #usage = NO_USAGE;
  #over = false;

  constructor(owner: TabOwner, memoryBytes: number) {
    this.#owner = owner;
    this.memoryBytes = memoryBytes;
    this.exited = this.#end.promise;
  }

  get pid(): number {
    return this.#owner.pid;
  }

  get layers(): readonly string[] {
    return this.#owner.layers;
  }

  get due(): boolean {
    return this.#owner.due;
  }

  /** Gives it its stream. */
  begin(stream: WireStream): void {
    this.#stream = stream;
  }

  /** The number of its stream. */
  get id(): number {
    return this.#stream?.id ?? 0;
  }

  write(bytes: Uint8Array): void {
    if (this.#over) return;
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) this.#send(bytes.subarray(at, at + CHUNK_BYTES));
    this.#owner.flush();
  }

  read(reader: GuestReader): void {
    this.#reader = reader;
    for (const chunk of this.#early.splice(0)) this.data(chunk);
    if (this.#over) reader.end();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#settle(0);
  }

  usage(): Usage | undefined {
    const now = this.renderer?.read();
    if (now !== undefined) this.#usage = now;
    return this.#usage;
  }

  limitMemory(bytes: number): void {
    this.memoryBytes = bytes;
  }

  kill(): void {
    if (this.#over) return;
    this.#stream?.reset();
    this.#owner.flush();
    this.finished({ code: SIGKILL, outOfMemory: false, stderr: "" });
  }

  interrupt(): void {
    if (!this.#over) this.#owner.interrupt(this.id);
  }

  /** It is over, with its browser or by itself. */
  finished(end: ProcessEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#unread = [];
    this.renderer?.close();
    this.#owner.ended(this);
    this.#end.resolve(end);
    this.#reader?.end();
  }

  head(): void {}

  data(chunk: Uint8Array): void {
    if (this.#reader === undefined) {
      this.#early.push(chunk);
      return;
    }
    if (!this.#over) this.#reader.data(chunk);
    this.#settle(chunk.length);
  }

  end(): void {}

  reset(payload: Uint8Array): void {
    const { code, message } = parseReset(payload);
    const stderr = message ?? "";
    const isCrash = code === "crash";
    const outOfMemory = code === "memory" || (isCrash && this.#wasFull());
    const isStart = code === "start_failed";
    this.finished({ code: isCrash ? SIGSEGV : 1, outOfMemory, stderr, reason: message, isStart });
  }

  /** Whether it died for its memory, as far as that can be told: a page that gets none crashes. */
  #wasFull(): boolean {
    if (this.renderer === undefined) return this.#owner.hasEndedLoose;
    return this.#usage.memoryBytes > this.memoryBytes * FULL_SHARE;
  }

  writable(): void {
    while (this.#unread.length > 0 && this.#stream?.full === false) {
      const chunk = this.#unread.shift() as Uint8Array;
      this.#unreadBytes -= chunk.length;
      this.#stream.send(chunk);
    }
  }

  #send(chunk: Uint8Array): void {
    if (this.#unread.length === 0 && this.#stream?.full === false) {
      this.#stream.send(chunk);
      return;
    }
    this.#unread.push(chunk.slice());
    this.#unreadBytes += chunk.length;
    if (this.#unreadBytes > UNREAD_BYTES_MAX) this.kill();
  }

  #settle(bytes: number): void {
    this.#held += bytes;
    if (this.#paused || this.#over) return;
    this.#stream?.consumed(this.#held);
    this.#held = 0;
  }
}
