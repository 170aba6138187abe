/**
 * What a command of WASI preview 1 may call: arguments, environment, clocks, random numbers, standard streams. There is
 * no file system; a descriptor of one is unknown, as WASI's own words have it.
 * https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md
 */
import { AbiFault, type GuestMemory, type Word } from "../guest_memory.ts";

/** Errors, by the numbers that WASI gives them. */
export const ERRNO = { success: 0, badf: 8, inval: 28, notsup: 58, spipe: 70 } as const;
const CLOCK = { realtime: 0, threadTime: 3 } as const;
const [SUBSCRIPTION_BYTES, EVENT_BYTES] = [48, 32];
const VECTORS_MAX = 1024;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const RANDOM_BYTES_MAX = 65_536;
const SLEEP_MS_MAX = 900_000;

const encoder = new TextEncoder();

/** Ends a command from within. */
export class CommandExit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exited with code ${code}`);
    this.code = code;
  }
}

/** What a command is started with. */
export interface CommandInput {
  readonly args: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array;
  /** Takes what is written to standard error. */
  stderr(bytes: Uint8Array): void;
}

/** The functions, each under the name that modules import it by, for one invocation. */
export class WasiSystem {
  readonly #memory: () => GuestMemory;
  readonly #input: CommandInput;
  readonly #args: readonly Uint8Array[];
  readonly #environment: readonly Uint8Array[];
  readonly #output: Uint8Array[] = [];
  #outputBytes = 0;
  #readBytes = 0;

  constructor(memory: () => GuestMemory, input: CommandInput) {
    this.#memory = memory;
    this.#input = input;
    this.#args = input.args.map((text) => encoder.encode(`${text}\0`));
    this.#environment = Object.entries(input.variables).map(([name, value]) => encoder.encode(`${name}=${value}\0`));
  }

  /** What was written to standard output. */
  output(): Uint8Array {
    return Bun.concatArrayBuffers(this.#output, Number.POSITIVE_INFINITY, true);
  }

  args_sizes_get = (count: Word, size: Word): number => this.#sizes(this.#args, count, size);
  args_get = (pointers: Word, texts: Word): number => this.#texts(this.#args, pointers, texts);
  environ_sizes_get = (count: Word, size: Word): number => this.#sizes(this.#environment, count, size);
  environ_get = (pointers: Word, texts: Word): number => this.#texts(this.#environment, pointers, texts);

  clock_res_get = (clock: number, at: Word): number => {
    if (clock > CLOCK.threadTime) return ERRNO.inval;
    this.#view(at, 8).setBigUint64(0, 1_000_000n, true);
    return ERRNO.success;
  };

  clock_time_get = (clock: number, _precision: bigint, at: Word): number => {
    if (clock > CLOCK.threadTime) return ERRNO.inval;
    this.#view(at, 8).setBigUint64(0, nanoseconds(clock), true);
    return ERRNO.success;
  };

  random_get = (at: Word, size: Word): number => {
    const bytes = this.#memory().view("random_get", at, size);
    for (let start = 0; start < bytes.length; start += RANDOM_BYTES_MAX) {
      crypto.getRandomValues(bytes.subarray(start, start + RANDOM_BYTES_MAX));
    }
    return ERRNO.success;
  };

  fd_write = (fd: number, vectors: Word, count: number, written: Word): number => {
    if (fd !== 1 && fd !== 2) return ERRNO.badf;
    let total = 0;
    for (const bytes of this.#vectors("fd_write", vectors, count)) {
      total += bytes.length;
      if (fd === 1) this.#write(bytes);
      else this.#input.stderr(bytes);
    }
    this.#view(written, 4).setUint32(0, total, true);
    return ERRNO.success;
  };

  fd_read = (fd: number, vectors: Word, count: number, read: Word): number => {
    if (fd !== 0) return ERRNO.badf;
    let total = 0;
    for (const bytes of this.#vectors("fd_read", vectors, count)) {
      const rest = this.#input.stdin.subarray(this.#readBytes, this.#readBytes + bytes.length);
      bytes.set(rest);
      this.#readBytes += rest.length;
      total += rest.length;
    }
    this.#view(read, 4).setUint32(0, total, true);
    return ERRNO.success;
  };

  fd_fdstat_get = (fd: number, at: Word): number => {
    if (!isStandard(fd)) return ERRNO.badf;
    const stat = this.#view(at, 24);
    for (let offset = 0; offset < 24; offset += 8) stat.setBigUint64(offset, offset === 8 ? ~0n : 0n, true);
    stat.setUint8(0, 2); // A character device.
    return ERRNO.success;
  };

  fd_fdstat_set_flags = (fd: number): number => (isStandard(fd) ? ERRNO.success : ERRNO.badf);
  fd_close = (fd: number): number => (isStandard(fd) ? ERRNO.success : ERRNO.badf);
  fd_seek = (fd: number): number => (isStandard(fd) ? ERRNO.spipe : ERRNO.badf);
  sched_yield = (): number => ERRNO.success;

  proc_exit = (code: number): never => {
    throw new CommandExit(code);
  };

  /** Sleeps until the first of the times; a stream is always ready. */
  poll_oneoff = async (subscriptions: Word, events: Word, count: number, happened: Word): Promise<number> => {
    if (count < 1 || count > VECTORS_MAX) return ERRNO.inval;
    const asked = this.#view(subscriptions, count * SUBSCRIPTION_BYTES);
    const times = Array.from({ length: count }, (_, index) => dueMs(asked, index * SUBSCRIPTION_BYTES));
    const userdata = times.map((_, index) => asked.getBigUint64(index * SUBSCRIPTION_BYTES, true));
    const types = times.map((_, index) => asked.getUint8(index * SUBSCRIPTION_BYTES + 8));
    const first = Math.min(...times);
    if (first > 0) await new Promise((resolve) => setTimeout(resolve, Math.min(first, SLEEP_MS_MAX)));
    const due = times.flatMap((time, index) => (time <= first ? [index] : []));
    const told = this.#view(events, due.length * EVENT_BYTES);
    for (const [place, index] of due.entries()) {
      for (let offset = 0; offset < EVENT_BYTES; offset += 8) told.setBigUint64(place * EVENT_BYTES + offset, 0n, true);
      told.setBigUint64(place * EVENT_BYTES, userdata[index] ?? 0n, true);
      told.setUint8(place * EVENT_BYTES + 10, types[index] ?? 0);
    }
    this.#view(happened, 4).setUint32(0, due.length, true);
    return ERRNO.success;
  };

  #write(bytes: Uint8Array): void {
    this.#outputBytes += bytes.length;
    if (this.#outputBytes > OUTPUT_BYTES_MAX) throw new AbiFault(`fd_write: over ${OUTPUT_BYTES_MAX} bytes of output`);
    this.#output.push(bytes.slice());
  }

  #view(at: Word, size: number): DataView {
    return new DataView(this.#memory().view("WASI", at, size).buffer, Number(at) >>> 0, size);
  }

  *#vectors(action: string, at: Word, count: number): Generator<Uint8Array> {
    if (count < 0 || count > VECTORS_MAX) throw new AbiFault(`${action}: ${count} vectors, over ${VECTORS_MAX}`);
    const vectors = this.#view(at, count * 8);
    for (let offset = 0; offset < count * 8; offset += 8) {
      yield this.#memory().view(action, vectors.getUint32(offset, true), vectors.getUint32(offset + 4, true));
    }
  }

  #sizes(texts: readonly Uint8Array[], count: Word, size: Word): number {
    this.#view(count, 4).setUint32(0, texts.length, true);
    this.#view(size, 4).setUint32(
      0,
      texts.reduce((sum, { length }) => sum + length, 0),
      true,
    );
    return ERRNO.success;
  }

  #texts(texts: readonly Uint8Array[], pointers: Word, at: Word): number {
    const list = this.#view(pointers, texts.length * 4);
    let next = Number(at) >>> 0;
    for (const [index, text] of texts.entries()) {
      this.#memory().view("WASI", next, text.length).set(text);
      list.setUint32(index * 4, next, true);
      next += text.length;
    }
    return ERRNO.success;
  }
}

const isStandard = (fd: number): boolean => fd >= 0 && fd <= 2;

function nanoseconds(clock: number): bigint {
  return BigInt(Math.round((clock === CLOCK.realtime ? Date.now() : performance.now()) * 1000)) * 1000n;
}

/** In how many milliseconds a subscription is due. */
function dueMs(asked: DataView, at: number): number {
  if (asked.getUint8(at + 8) !== 0) return 0;
  const timeout = asked.getBigUint64(at + 24, true);
  const isAbsolute = (asked.getUint16(at + 40, true) & 1) !== 0;
  const from = isAbsolute ? nanoseconds(asked.getUint32(at + 16, true)) : 0n;
  return Math.max(0, Number(timeout - from) / 1_000_000);
}
