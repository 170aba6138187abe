/**
 * Runs a program that came with its request: one evaluation, one invocation, then the end of the guest.
 *
 * A script's output is the response, frame by frame as it is written, and the script is over when its event loop has
 * nothing left to wait for. A module's handler is called with the request; its console goes to the log.
 */
import { FRAME } from "../../../wire/frame.ts";
import type { LoadParcel } from "../../../wire/parcels.ts";
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import type { Channel } from "../../guest/channel.ts";
import { createConsole, type Level } from "../../guest/console.ts";
import type { PendingProgram } from "../../guest/evaluated.ts";
import { Invocation } from "../../guest/invocations.ts";
import { exit } from "../../guest/libc.ts";
import { LEVEL_MARK } from "../../guest/log_lines.ts";
import { installFacades } from "./facade.ts";
import { INSPECTOR } from "./inspector.ts";
import { describeFailure, offerToListen } from "./program.ts";
import type { ProgramRunner } from "./runner.ts";
import { ScriptReading } from "./script_reading.ts";

const HEAD = JSON.stringify({ s: 200, h: [["content-type", "text/plain; charset=utf-8"]], k: "script" });
const LOG_BYTES_MAX = 128 * 1024;

/** The runner of a program. */
export class ProgramHost implements ProgramRunner {
  readonly #channel: Channel;
  readonly #load: LoadParcel;
  readonly #env: Record<string, unknown>;
  readonly #read: () => PendingProgram;
  readonly #reading: ScriptReading;
  #invocation: Invocation | undefined;
  #isScript = false;
  #headSent = false;
  #evaluated = false;
  #calling = false;
  #ranDry = false;
  #failed = false;

  constructor(channel: Channel, load: LoadParcel, env: Record<string, unknown>, read: () => PendingProgram) {
    this.#channel = channel;
    this.#load = load;
    this.#env = env;
    this.#read = read;
    this.#reading = new ScriptReading(channel);
  }

  currentInvocation(): number {
    return this.#invocation?.stream.id ?? 0;
  }

  busy(busy: boolean): void {
    this.#calling = busy;
    this.#listen();
  }

  #listen(): void {
    if (this.#isScript) this.#reading.update(this.#calling || this.#invocation?.awaitsInput === true, this.#evaluated);
  }

  get ready(): boolean {
    return this.#invocation !== undefined;
  }

  start(): void {
    this.#run(this.#invocation as Invocation);
  }

  open(stream: WireStream, head: Uint8Array): StreamEvents | undefined {
    if (this.#invocation !== undefined) return undefined;
    const workFinished = () => {
      this.#channel.connection.sendBytes(FRAME.ready, stream.id);
      this.#channel.connection.flush();
    };
    const owner = { workFinished, inputEnded: () => this.#listen(), fn: undefined, describe: describeFailure };
    const invocation = new Invocation(stream, head, owner);
    this.#invocation = invocation;
    return invocation;
  }

  async #run(invocation: Invocation): Promise<void> {
    try {
      const program = this.#read();
      this.#isScript = !program.isModule;
      this.#installGlobals(invocation);
      offerToListen(() => this.#beginToListen(invocation));
      if (program.isModule) this.#readLater(invocation);
      else process.on("beforeExit", () => this.#ranEmpty());
      const evaluated = await program.evaluate();
      if (evaluated !== undefined) return await invocation.run(evaluated.handler, this.#env);
    } catch (thrown) {
      return this.#fail(thrown);
    }
    this.#evaluated = true;
    this.#listen();
  }

  /** What looked like a script is an application: a module from here on. */
  #beginToListen(invocation: Invocation): void {
    if (this.#headSent) throw new Error("Cannot listen: what was written to the console before is the answer already");
    if (!this.#isScript) return;
    this.#isScript = false;
    this.#readLater(invocation);
  }

  /** A module may need the rest of its request, credit, answers; one that is done within a turn needs nothing. */
  #readLater(invocation: Invocation): void {
    if (invocation.bodyComplete) setImmediate(() => this.#channel.resume());
    else this.#channel.resume();
  }

  /** The event loop has nothing left to wait for. */
  #ranEmpty(): void {
    if (!this.#isScript) return;
    // A rejection of the very last turn is told only in the next one.
    if (!this.#ranDry) {
      this.#ranDry = true;
      setImmediate(() => {});
      return;
    }
    if (this.#evaluated) this.#finish(0);
    this.#fail(new Error("A top-level await waits for something that can no longer happen"));
    this.#channel.connection.flush();
    exit(1);
  }

  #installGlobals(invocation: Invocation): void {
    const log = (level: Level, text: string) => this.#log(level, text);
    globalThis.console = createConsole((level, text) => {
      if (this.#isScript && level !== "warn" && level !== "error") this.#output(encoder.encode(`${text}\n`));
      else log(level, text);
    }, INSPECTOR);
    installFacades(this.#load.env, {
      args: invocation.args,
      input: () => {
        const body = invocation.input();
        this.#listen();
        return body;
      },
      exit: (code) => this.#finish(code),
      write: (to, bytes) => {
        if (this.#isScript && to === "stdout") this.#output(bytes);
        else log(to === "stdout" ? "info" : "error", decoder.decode(bytes).replace(/\n$/, ""));
      },
    });
    process.on("uncaughtException", (thrown) => this.#fail(thrown));
    process.on("unhandledRejection", (thrown) => this.#fail(thrown));
  }

  #output(bytes: Uint8Array): void {
    const stream = this.#invocation?.stream;
    if (stream === undefined || stream.over) return;
    this.#sendHead(stream);
    for (let at = 0; at < bytes.length; at += OUTPUT_BYTES_MAX) stream.send(bytes.subarray(at, at + OUTPUT_BYTES_MAX));
    this.#channel.connection.flush();
  }

  #log(level: Level, text: string): void {
    const { connection } = this.#channel;
    const line = text.length > LOG_BYTES_MAX / 3 ? `${text.slice(0, LOG_BYTES_MAX / 3)}…` : text;
    connection.sendText(FRAME.log, this.currentInvocation(), `${LEVEL_MARK[level]}${line}`);
    connection.flush();
  }

  #sendHead(stream: WireStream): void {
    if (this.#headSent) return;
    this.#headSent = true;
    stream.head(HEAD);
  }

  #fail(thrown: unknown): void {
    const invocation = this.#invocation;
    if (this.#failed || invocation === undefined) return;
    this.#failed = true;
    invocation.stream.reset(JSON.stringify(describeFailure(thrown)));
    this.#channel.connection.flush();
  }

  /** The script is over. */
  #finish(code: number): never {
    const stream = this.#invocation?.stream;
    if (stream !== undefined && !stream.over) {
      if (code === 0 && this.#isScript) {
        this.#sendHead(stream);
        stream.end();
      } else {
        const when = this.#isScript ? "" : " before it had answered";
        stream.reset(
          JSON.stringify({ code: "uncaught_exception", message: `The program exited with code ${code}${when}` }),
        );
      }
    }
    this.#channel.connection.flush();
    exit(code);
  }
}

const OUTPUT_BYTES_MAX = 64 * 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder();
