/**
 * The `stdio` dialect: events to the program, answers back, one JSON document a line, one event at a time.
 *
 * The lines are on the program's standard streams; or on two named pipes, with the handler as the program's last argument
 * and its standard output free for its log. A line has no name of its invocation, so what comes when nothing was asked
 * ends the instance; before the first event it is the first one's error. The ready-made runtimes begin with a line of their own: null, or the error that their handler's module failed with.
 */
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import { makePipe } from "../../guest/libc.ts";
import type { Child } from "./child.ts";
import type { Dialect, DialectHost } from "./dialect.ts";
import { commandOf } from "./environment.ts";
import { EventError } from "./events/http_event.ts";
import { Grace } from "./grace.ts";
import { ANSWER_BYTES_MAX, EventInvocation, type InvocationOwner } from "./invocation.ts";
import { errorOf } from "./responses.ts";
import { tooLarge } from "./runtime_state.ts";

const INPUT = "/tmp/runtime-input";
const OUTPUT = "/tmp/runtime-output";
/** The ready-made runtimes. */
const READY_MADE = /^\/var\/runtime\/(python\.py|node\.mjs)$/;
const TOO_LARGE = tooLarge(ANSWER_BYTES_MAX).errorMessage;
/** A program that has closed its output has this long to turn out to have ended, in milliseconds. */
const END_MS = 500;
/** So much of a line that is no answer is shown. */
const SHOWN_LENGTH = 120;
const LINE_END = Buffer.from("\n");

/** The dialect. */
export class Stdio implements Dialect, InvocationOwner {
  readonly #host: DialectHost;
  readonly #grace: Grace;
  /** Whether the program is one that says whether it has loaded its handler, and has not yet. */
  #isLoading = false;
  #child: Child | undefined;
  #input: Bun.FileSink | undefined;
  #invocation: EventInvocation | undefined;
  /** What the program has done wrong before it was asked anything: the error of its first invocation. */
  #fault: readonly [code: string, message: string] | undefined;
  #wasAsked = false;

  constructor(host: DialectHost) {
    this.#host = host;
    this.#grace = new Grace(host.load.process?.graceMs ?? 0, () => (this.#child === undefined ? [] : [this.#child]));
  }

  get current(): number {
    return this.#invocation?.stream.id ?? 0;
  }

  start(): void {
    const command = commandOf(this.#host.load);
    const { lines, handler } = this.#host.load.process ?? {};
    this.#isLoading = lines !== "pipes" && command.some((word) => READY_MADE.test(word));
    if (lines === "pipes") {
      this.#input = Bun.file(makePipe(INPUT)).writer();
      const output = Bun.file(makePipe(OUTPUT)).stream();
      this.#child = this.#host.start([...command, ...(handler === undefined ? [] : [handler])], { pipes: false });
      this.#read(output);
    } else {
      this.#child = this.#host.start(command, { pipes: true });
      this.#input = this.#child.input;
      this.#read(this.#child.output);
    }
    if (!this.#isLoading) this.#host.ready();
  }

  open(stream: WireStream, head: Uint8Array): StreamEvents {
    const invocation = new EventInvocation(stream, head, this.#host.load.process?.event ?? "http", this);
    this.#invocation = invocation;
    this.#wasAsked = true;
    if (this.#fault !== undefined) invocation.fail(...this.#fault);
    return invocation;
  }

  arrived(invocation: EventInvocation): void {
    this.#grace.begin(invocation.deadline);
    this.#write(Buffer.concat([invocation.event, LINE_END])).catch(() => {
      invocation.fail("dialect_error", "The program has closed its standard input.");
    });
  }

  async #write(line: Uint8Array): Promise<void> {
    await this.#input?.write(line);
    await this.#input?.flush();
  }

  /** Nobody wants the answer: what works on it is ended. */
  gone(): void {
    this.#host.end(0);
  }

  get isTimedOut(): boolean {
    return this.#grace.hasStruck && this.#invocation !== undefined;
  }

  async shutDown(): Promise<void> {}

  async #read(output: ReadableStream<Uint8Array>): Promise<void> {
    let chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of output) {
      let rest = chunk;
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        if (bytes + end > ANSWER_BYTES_MAX) return this.#break("response_limit", TOO_LARGE);
        chunks.push(rest.subarray(0, end));
        rest = rest.subarray(end + 1);
        await this.#take(Buffer.concat(chunks).toString("utf8"));
        if (this.#fault !== undefined) return;
        chunks = [];
        bytes = 0;
      }
      if (rest.length > 0) chunks.push(rest);
      bytes += rest.length;
      if (bytes > ANSWER_BYTES_MAX) return this.#break("response_limit", TOO_LARGE);
    }
    // The end of a program is told by its name, and closes its output first.
    await Promise.race([this.#child?.ended, new Promise((resolve) => setTimeout(resolve, END_MS))]);
    this.#break("dialect_error", "The program has closed its standard output.");
  }

  async #take(line: string): Promise<void> {
    if (line.trim() === "") return;
    if (this.#isLoading) return this.#loaded(line);
    const invocation = this.#invocation;
    if (invocation === undefined || invocation.event.length === 0) {
      return this.#break("dialect_error", this.#strayLine(line));
    }
    if (invocation.isOver) return;
    this.#grace.end();
    const error = errorOf(line);
    if (error !== undefined) {
      this.#invocation = undefined;
      return invocation.fail(...error);
    }
    try {
      await invocation.answer(line);
    } catch (cause) {
      if (!(cause instanceof EventError)) throw cause;
      return invocation.fail("dialect_error", isJson(line) ? cause.message : this.#strayLine(line));
    }
    this.#child?.cut();
    this.#invocation = undefined;
    // A program that was told to end is waited for, and given nothing more.
    invocation.finish(this.#grace.hasStruck);
    this.#host.flush();
  }

  #loaded(line: string): void {
    this.#isLoading = false;
    const [, message, stack] = errorOf(line) ?? [];
    if (message === undefined) this.#host.ready();
    else this.#host.failInit(message, stack);
  }

  /** The message for a line that is no answer. */
  #strayLine(line: string): string {
    const isPipes = this.#host.load.process?.lines === "pipes";
    const [answers, log] = isPipes ? [OUTPUT, "standard output"] : ["standard output", "standard error"];
    const why = isJson(line) ? " when it was not asked" : ", which is not JSON";
    const shown = JSON.stringify(line.slice(0, SHOWN_LENGTH));
    return `The program wrote ${shown}${why}: ${answers} is for answers, ${log} for the log.`;
  }

  #break(code: string, message: string): void {
    if (this.#isLoading) return this.#host.failInit(message);
    // Whatever comes of a program that was told to end, its invocation has run out of time.
    if (this.isTimedOut) return;
    this.#host.note(message);
    if (!this.#wasAsked) {
      // Its end would be told as the guest's to who is on the way.
      this.#fault = [code, message];
      return;
    }
    if (this.#invocation === undefined || this.#invocation.isOver) this.#host.end(1);
    this.#invocation?.fail(code, message);
  }
}

/** Whether a line is one that could be an answer. */
function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}
