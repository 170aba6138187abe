/**
 * The guest of the `process` engine: process 1 of a sandbox, beside the program that it starts.
 *
 * It hides from the program, applies the host's limits to itself and so to all that it starts, and hands invocations over
 * in the dialect that the program speaks. It cannot be sealed, since it starts programs; what the program may do is what
 * the sandbox lets both of them do, and nothing that it does to its guest is felt by anybody else.
 */
import { FRAME, type FrameType } from "../../../wire/frame.ts";
import { decodeParcel, type LoadParcel } from "../../../wire/parcels.ts";
import { type Channel, openChannel } from "../../guest/channel.ts";
import { collectOrphans, filesAt } from "../../guest/first_process.ts";
import { exit, hideProcess } from "../../guest/libc.ts";
import { applyHello } from "../../guest/seal.ts";
import { Apis } from "./apis.ts";
import { Child } from "./child.ts";
import type { Dialect, DialectHost, StartOptions } from "./dialect.ts";
import { environmentOf } from "./environment.ts";
import type { HookHost } from "./middlewares/commands.ts";
import { Hooks } from "./middlewares/hooks.ts";

/** How often the guest looks after what nobody else does, in milliseconds. */
const LOOK_MS = 250;

/** A program that has said why it cannot be used has this long to end, in milliseconds. */
const LAST_WORDS_MS = 500;

/** Files and folders in one place that programs can write to: each takes a kilobyte of the kernel's memory. */
const FILES_MAX = 65_536;

/** Marks of the levels of lines on the wire. */
const LEVEL_MARK = { info: 105, warn: 119 } as const;

/** Starts the guest. */
export function startProcessGuest(): void {
  let guest: Guest | undefined;
  let load: LoadParcel | undefined;
  let saidHello = false;
  const frame = (type: FrameType, _stream: number, payload: Uint8Array) => {
    if (type === FRAME.hello && !saidHello) {
      applyHello(payload);
      hideProcess();
      saidHello = true;
    } else if (type === FRAME.load && load === undefined) {
      load = decodeParcel(payload).json as LoadParcel;
    } else if (type !== FRAME.ping) {
      exit(1);
    }
  };
  const channel = openChannel(
    { frame, open: (stream, head) => guest?.hooks?.open(stream, head) ?? guest?.dialect.open(stream, head) },
    () => (guest === undefined ? exit(0) : guest.shutDown()),
    true,
  );
  while (!saidHello) channel.wait();
  channel.connection.sendText(FRAME.hello, 0, JSON.stringify({ sealed: false }));
  channel.connection.flush();
  while (load === undefined) channel.wait();
  guest = new Guest(channel, load);
  channel.resume();
}

class Guest implements DialectHost, HookHost {
  readonly load: LoadParcel;
  readonly env: Readonly<Record<string, string>>;
  readonly dialect: Dialect;
  /** The middlewares that run here. */
  readonly hooks: Hooks | undefined;
  readonly #channel: Channel;
  readonly #apis: Apis;
  #isLoading = true;
  /** Says why the program cannot be used, once. */
  #tellFailure: (() => void) | undefined;
  #isEnding = false;
  readonly #children = new Map<number, Child>();

  constructor(channel: Channel, load: LoadParcel) {
    this.#channel = channel;
    this.load = load;
    this.env = environmentOf(load);
    this.#apis = new Apis(this, channel.connection);
    this.dialect = this.#apis.dialect;
    const { hooks } = load.process ?? {};
    if (hooks !== undefined) this.hooks = new Hooks(this, hooks);
    setInterval(() => this.#look(), LOOK_MS);
    try {
      this.dialect.start();
    } catch (error) {
      this.failInit(`Cannot start the program: ${error instanceof Error ? error.message : error}`);
    }
  }

  start(command: readonly string[], { pipes, source = "function" }: StartOptions): Child {
    const child = new Child({
      ...{ command, env: this.env, pipes },
      log: (line) => {
        this.#log("info", line);
        this.#apis.telemetry.publish(source, line);
      },
    });
    this.#children.set(child.pid, child);
    child.ended.then((code) => {
      this.#children.delete(child.pid);
      this.#tellFailure?.();
      if (this.#isEnding || this.dialect.isTimedOut) return;
      if (source === "extension") this.note(`The extension "${command[0]?.split("/").at(-1)}" ended with ${code}`);
      this.end(code);
    });
    return child;
  }

  startApart(...[command, env, cwd, log]: Parameters<HookHost["startApart"]>): Child {
    const child = new Child({ command, env, cwd, log, pipes: true });
    this.#children.set(child.pid, child);
    child.exited.then(() => this.#children.delete(child.pid));
    return child;
  }

  logLine(stream: number, line: string): void {
    this.#log("info", line, stream);
  }

  ready(): void {
    if (!this.#isLoading) return;
    this.#isLoading = false;
    this.#apis.telemetry.started();
    this.#channel.connection.sendText(FRAME.ready, 0, "{}");
  }

  failInit(message: string, stack?: string): void {
    if (!this.#isLoading) return;
    this.#isLoading = false;
    const error = { code: "init_failed", message: message.slice(0, 8192), ...(stack && { stack }) };
    this.#tellFailure = () => {
      this.#tellFailure = undefined;
      this.#channel.connection.sendText(FRAME.ready, 0, JSON.stringify({ error }));
      this.#channel.connection.flush();
    };
    // Who says why ends then, and what was written about it is still to be read.
    if (this.#children.size === 0) this.#tellFailure();
    else setTimeout(() => this.#tellFailure?.(), LAST_WORDS_MS);
  }

  settled(stream: { readonly id: number } | undefined, wrong?: string): void {
    if (stream === undefined) return;
    for (const child of this.#children.values()) child.cut();
    const reason = wrong === undefined ? "" : JSON.stringify({ code: "dialect_error", message: wrong });
    this.#channel.connection.sendText(FRAME.ready, stream.id, reason);
    this.flush();
  }

  flush(): void {
    this.#channel.connection.flush();
  }

  note(line: string): void {
    this.#log("warn", line);
  }

  end(code: number): never {
    this.#channel.connection.flush();
    return exit(code);
  }

  /** The host wants the instance to be over. */
  shutDown(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.dialect.shutDown().then(() => this.end(0));
  }

  #look(): void {
    collectOrphans((pid) => this.#children.has(pid));
    for (const path of ["/tmp", "/dev/shm"]) {
      if (filesAt(path) <= FILES_MAX) continue;
      this.note(`The program made more than ${FILES_MAX} files in ${path}`);
      this.end(1);
    }
  }

  #log(level: keyof typeof LEVEL_MARK, line: string, stream = this.dialect?.current ?? 0): void {
    const text = new TextEncoder().encode(line);
    const payload = new Uint8Array(text.length + 1);
    payload[0] = LEVEL_MARK[level];
    payload.set(text, 1);
    this.#channel.connection.sendBytes(FRAME.log, stream, payload);
  }
}
