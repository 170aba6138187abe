/**
 * Runs a deployed function: evaluated once, then invoked any number of times, many at once.
 *
 * Which invocation a log line or a call belongs to is told by an AsyncLocalStorage. It is loaded here and not at
 * boot, because it costs 2 ms that programs with one invocation need not pay.
 */
import type { AsyncLocalStorage } from "node:async_hooks";
import { FRAME } from "../../../wire/frame.ts";
import type { LoadParcel } from "../../../wire/parcels.ts";
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import { Beginnings } from "../../guest/beginnings.ts";
import type { Channel } from "../../guest/channel.ts";
import { createConsole } from "../../guest/console.ts";
import type { EvaluatedProgram, PendingProgram } from "../../guest/evaluated.ts";
import { handlerFor } from "../../guest/handlers.ts";
import { Invocation } from "../../guest/invocations.ts";
import { exit } from "../../guest/libc.ts";
import { boundedLine, LEVEL_MARK } from "../../guest/log_lines.ts";
import { installFacades } from "./facade.ts";
import { INSPECTOR } from "./inspector.ts";
import { describeFailure, offerToListen } from "./program.ts";
import type { ProgramRunner } from "./runner.ts";

/** The runner of a function. */
export class FunctionHost implements ProgramRunner {
  readonly #channel: Channel;
  readonly #env: Record<string, unknown>;
  readonly fn: LoadParcel["fn"];
  readonly describe = describeFailure;
  readonly #beginnings: Beginnings;
  #storage: AsyncLocalStorage<Invocation> | undefined;
  #program: EvaluatedProgram | undefined;

  /** @param read reads what was sent; called once the globals of programs are in place */
  constructor(channel: Channel, load: LoadParcel, env: Record<string, unknown>, read: () => PendingProgram) {
    this.#channel = channel;
    this.#beginnings = new Beginnings({ flush: () => channel.connection.flush(), later: setImmediate });
    this.#env = env;
    this.fn = load.fn;
    this.#start(load, read);
  }

  currentInvocation(): number {
    return this.#storage?.getStore()?.stream.id ?? 0;
  }

  readonly ready = true;

  start(): void {
    this.#channel.resume();
  }

  busy(): void {}

  open(stream: WireStream, head: Uint8Array): StreamEvents | undefined {
    const invocation = new Invocation(stream, head, this);
    this.#beginnings.add(() => {
      const program = this.#program as EvaluatedProgram;
      const handler = handlerFor(program, invocation.entrance);
      this.#storage?.run(invocation, () => invocation.run(handler, this.#env));
    });
    return invocation;
  }

  workFinished(stream: WireStream): void {
    this.#channel.connection.sendBytes(FRAME.ready, stream.id);
  }

  async #start(load: LoadParcel, read: () => PendingProgram): Promise<void> {
    const { connection } = this.#channel;
    try {
      const { AsyncLocalStorage } = await import("node:async_hooks");
      this.#storage = new AsyncLocalStorage();
      this.#installGlobals(load);
      const program = read();
      offerToListen(() => {});
      this.#program = await program.evaluate();
      if (this.#program === undefined) {
        const missing = `export ${load.exportName ?? "default"} is missing, and nothing listens`;
        throw new TypeError(`Cannot load function: ${missing} (${load.name})`);
      }
      connection.sendText(FRAME.ready, 0, "{}");
    } catch (thrown) {
      connection.sendText(FRAME.ready, 0, JSON.stringify({ error: describeFailure(thrown) }));
    }
  }

  #installGlobals(load: LoadParcel): void {
    const log = (level: keyof typeof LEVEL_MARK, text: string) => {
      const { connection } = this.#channel;
      connection.sendText(FRAME.log, this.currentInvocation(), LEVEL_MARK[level] + boundedLine(text));
      connection.flush();
    };
    globalThis.console = createConsole(log, INSPECTOR);
    installFacades(load.env, {
      args: undefined,
      input: () => new Blob([]).stream(),
      exit: (code) => exit(code),
      write: (to, bytes) => log(to === "stdout" ? "info" : "error", new TextDecoder().decode(bytes).replace(/\n$/, "")),
    });
    const report = (thrown: unknown) => {
      const { message, stack } = describeFailure(thrown);
      log("error", stack || (message ?? ""));
    };
    process.on("uncaughtException", report);
    process.on("unhandledRejection", report);
  }
}
