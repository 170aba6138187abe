/**
 * One process that a zygote has forked: its channel, what it uses, and how it ends.
 *
 * It is over when its zygote has said so and its sockets are closed. It is killed by a descriptor and not by its
 * number, which may be somebody else's once its zygote has collected it.
 */
import type { GuestProcess, GuestReader, ProcessEnd, Usage } from "../core/engine.ts";
import { type Deferred, deferred } from "../stdx/deferred.ts";
import type { CgroupSlot } from "./cgroup_slot.ts";
import { GuestPipe } from "./guest_pipe.ts";
import { closeAll, killProcess } from "./native.ts";
import { KnownUsage } from "./usage.ts";

/** What a forked process is made of. */
export interface ForkedParts {
  readonly hostPid: number;
  /** The process, as a descriptor. */
  readonly handle: number;
  /** Our ends of its sockets. */
  readonly channel: number;
  readonly errors: number;
  readonly slot: CgroupSlot | undefined;
  readonly hello: GuestProcess["hello"];
  readonly layers: readonly string[];
}

/** How much of its standard error is kept for the log, in characters. */
const STDERR_LENGTH_MAX = 4096;

/** A forked process. */
export class ForkedProcess implements GuestProcess {
  readonly pid: number;
  readonly layers: readonly string[];
  readonly hello: GuestProcess["hello"];
  readonly exited: Promise<ProcessEnd>;
  stray: ((text: string) => void) | undefined;
  readonly #parts: ForkedParts;
  readonly #code: Deferred<number> = deferred();
  /** All that it has written to its standard error has arrived. */
  readonly #told: Deferred<void> = deferred();
  readonly #pipe: GuestPipe;
  readonly #usage: KnownUsage;
  #over = false;
  #stderr = "";

  /** Takes the process over, with its descriptors. */
  constructor(parts: ForkedParts) {
    this.#parts = parts;
    this.pid = parts.hostPid;
    this.hello = parts.hello;
    this.layers = parts.layers;
    this.#usage = new KnownUsage(() => this.pid);
    this.#pipe = new GuestPipe(parts.channel, () => this.kill());
    this.#listen(new GuestPipe(parts.errors, () => {}));
    this.exited = this.#watch();
  }

  write(bytes: Uint8Array): void {
    this.#pipe.write(bytes);
  }

  read(reader: GuestReader): void {
    this.#pipe.read(reader);
  }

  pause(): void {
    this.#pipe.pause();
  }

  resume(): void {
    this.#pipe.resume();
  }

  usage(): Usage | undefined {
    return this.#usage.read();
  }

  limitMemory(bytes: number): void {
    this.#parts.slot?.limitMemory(bytes);
  }

  kill(): void {
    if (!this.#over) killProcess(this.#parts.handle);
  }

  /** Its zygote says that it has ended. */
  over(code: number): void {
    this.#code.resolve(code);
  }

  #listen(errors: GuestPipe): void {
    const decoder = new TextDecoder();
    errors.read({
      data: (chunk) => {
        const text = decoder.decode(chunk, { stream: true });
        this.stray?.(text);
        this.#stderr = (this.#stderr + text).slice(-STDERR_LENGTH_MAX);
      },
      end: () => this.#told.resolve(),
    });
  }

  async #watch(): Promise<ProcessEnd> {
    const code = await this.#code.promise;
    this.#over = true;
    this.#usage.close();
    // Nothing else holds its sockets: they are at their ends.
    await this.#told.promise;
    const { slot, handle } = this.#parts;
    const outOfMemory = slot?.outOfMemory() ?? false;
    this.#pipe.close();
    closeAll([handle]);
    slot?.release();
    return { code, outOfMemory, stderr: this.#stderr };
  }
}
