/**
 * One database in use: its process while it has one, and the calls that wait for it.
 *
 * A process does one call at a time. One whose call takes too long, or whose caller is gone, is killed; what SQLite has
 * acknowledged is on the disk, what it has not is rolled back, and the next call gets another process, 15 to 50 ms later.
 */
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import { type Deferred, deferred } from "../../stdx/deferred.ts";
import { CallLine, type WaitingCall } from "./calls.ts";
import type { SqlPoolLimits } from "./limits.ts";
import { ANSWER } from "./messages.ts";
import { DatabaseProcess, type ProcessOptions } from "./process.ts";
import { refusedBy, timedOut } from "./refused.ts";

/** What a database in use is made of. */
export interface OpenDatabaseParts {
  readonly process: ProcessOptions;
  readonly limits: SqlPoolLimits;
  readonly clock: Clock;
  /** Tells the log of what is no caller's mistake. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
  /** The process has ended for want of calls, or for good. */
  released(): void;
}

/** A call whose process works on it. */
interface Running {
  readonly call: WaitingCall;
  cancelTimer(): void;
  cancelAbort(): void;
}

/** A database in use. */
export class OpenDatabase {
  readonly #parts: OpenDatabaseParts;
  readonly #line: CallLine;
  #process: DatabaseProcess | undefined;
  #isReady = false;
  #running: Running | undefined;
  #cancelIdle: (() => void) | undefined;
  #cancelStart: (() => void) | undefined;
  #cancelAbandon: (() => void) | undefined;
  /** Why the process is killed, for whoever waits for its answer. */
  #killedFor: IsopodError | undefined;
  #isEnding = false;
  #closed: Deferred<void> | undefined;
  /** When it was asked last, by the clock. */
  usedAt = 0;

  constructor(parts: OpenDatabaseParts) {
    this.#parts = parts;
    this.#line = new CallLine(parts.limits);
  }

  get isIdle(): boolean {
    return this.#running === undefined && this.#line.isEmpty;
  }

  /** The number of its process, when there is one. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** Resolves with the JSON of the results. @throws {IsopodError} */
  call(asked: Omit<WaitingCall, "answer">): Promise<Uint8Array> {
    if (this.#closed !== undefined) throw new IsopodError("draining");
    const call = this.#line.add(asked);
    this.usedAt = this.#parts.clock.now();
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
    if (this.#process === undefined) this.#start();
    else this.#next();
    if (this.#running?.call !== call) this.#leaveWhenAborted(call);
    return call.answer.promise;
  }

  /** Ends the process once its call is answered; what waits is refused. */
  close(): Promise<void> {
    if (this.#closed !== undefined) return this.#closed.promise;
    this.#closed = deferred();
    this.#line.fail(new IsopodError("draining"));
    this.#cancelIdle?.();
    if (this.#process === undefined) this.#closed.resolve();
    else if (this.#running === undefined) this.#end();
    return this.#closed.promise;
  }

  /** Gives what is under way a moment, and then ends it. */
  abandon(): void {
    const { clock, limits } = this.#parts;
    this.#cancelAbandon ??= clock.after(limits.abandonedMs, () => this.#kill(new IsopodError("draining")));
  }

  #start(): void {
    const { limits, clock, process } = this.#parts;
    this.#isReady = false;
    this.#isEnding = false;
    this.#killedFor = undefined;
    this.#process = new DatabaseProcess(process, {
      answer: (kind, text) => this.#answered(kind, text),
      ended: (words) => this.#ended(words),
    });
    this.#cancelStart = clock.after(limits.startMsMax, () => this.#process?.kill());
  }

  #end(): void {
    this.#isEnding = true;
    this.#process?.end();
    // One that cannot even close its file in this time has nothing to lose: the log is on the disk.
    this.#cancelStart = this.#parts.clock.after(this.#parts.limits.startMsMax, () => this.#process?.kill());
  }

  #next(): void {
    if (!this.#isReady || this.#isEnding || this.#running !== undefined || this.#process === undefined) return;
    const call = this.#line.next();
    if (call === undefined) return this.#rest();
    const { clock, limits } = this.#parts;
    const killLater = (delayMs: number, error: IsopodError) => clock.after(delayMs, () => this.#kill(error));
    let cancelTimer = killLater(call.workMs, timedOut(call.workMs));
    const onAbort = (): void => {
      cancelTimer();
      cancelTimer = killLater(Math.min(call.workMs, limits.abandonedMs), new IsopodError("client_gone"));
    };
    call.signal?.addEventListener("abort", onAbort);
    if (call.signal?.aborted) onAbort();
    this.#running = {
      call,
      cancelTimer: () => cancelTimer(),
      cancelAbort: () => call.signal?.removeEventListener("abort", onAbort),
    };
    this.#process.ask([call.head, call.request]);
  }

  #rest(): void {
    if (this.#closed !== undefined) return this.#end();
    this.#cancelIdle = this.#parts.clock.after(this.#parts.limits.idleMs, () => {
      if (this.isIdle) this.#end();
    });
  }

  #answered(kind: number, text: Uint8Array): void {
    if (!this.#isReady) {
      if (kind !== ANSWER.done)
        return this.#kill(new IsopodError("internal", { cause: `SQLite: ${Buffer.from(text)}` }));
      this.#isReady = true;
      this.#cancelStart?.();
      return this.#next();
    }
    const running = this.#takeRunning();
    if (running === undefined) return;
    const { answer } = running.call;
    if (kind === ANSWER.done) answer.resolve(text);
    else if (kind === ANSWER.refused) answer.reject(refusedBy(text));
    else answer.reject(new IsopodError("internal", { cause: `SQLite: ${Buffer.from(text)}` }));
    this.#next();
  }

  #ended(words: string): void {
    this.#cancelStart?.();
    this.#cancelAbandon?.();
    this.#process = undefined;
    const failure = this.#killedFor ?? new IsopodError("database_ended", { cause: words });
    if (this.#killedFor === undefined && !this.#isEnding) {
      this.#parts.report("The process of a database has ended", { words });
    }
    const running = this.#takeRunning();
    running?.call.answer.reject(failure);
    // A process that never opened its file fails whoever waits for it: the next would do the same.
    if (running === undefined && !this.#isReady) this.#line.fail(failure);
    if (this.#closed !== undefined) this.#closed.resolve();
    else if (!this.#line.isEmpty) return this.#start();
    this.#parts.released();
  }

  #kill(error: IsopodError): void {
    this.#killedFor = error;
    this.#process?.kill();
  }

  #takeRunning(): Running | undefined {
    const running = this.#running;
    this.#running = undefined;
    running?.cancelTimer();
    running?.cancelAbort();
    return running;
  }

  #leaveWhenAborted(call: WaitingCall): void {
    const { signal } = call;
    if (signal === undefined) return;
    const leave = (): void => {
      if (this.#line.remove(call)) call.answer.reject(new IsopodError("client_gone"));
    };
    signal.addEventListener("abort", leave, { once: true });
    if (signal.aborted) leave();
    const forget = (): void => signal.removeEventListener("abort", leave);
    call.answer.promise.then(forget, forget);
  }
}
