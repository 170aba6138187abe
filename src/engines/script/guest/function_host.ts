/**
 * Runs a deployed function: evaluated once, then invoked any number of times, many at once.
 *
 * Which invocation a log line or a call belongs to is told by an AsyncLocalStorage. It is loaded here and not at
 * boot, because it costs 2 ms that programs with one invocation need not pay.
 */
import type { AsyncLocalStorage } from "node:async_hooks";
import { FRAME } from "../../../wire/frame.ts";
import type { RequestHead } from "../../../wire/heads.ts";
import type { LoadParcel } from "../../../wire/parcels.ts";
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import type { Channel } from "../../guest/channel.ts";
import type { EvaluatedProgram, Handler, PendingProgram } from "../../guest/evaluated.ts";
import { exit } from "../../guest/libc.ts";
import { createConsole } from "./console.ts";
import { entryHandler } from "./entries.ts";
import { installFacades } from "./facade.ts";
import { Invocation } from "./invocations.ts";
import { methodHandler } from "./methods.ts";
import { describeFailure, offerToListen } from "./program.ts";
import { LEVEL_MARK } from "./program_host.ts";
import type { ProgramRunner } from "./runner.ts";

/** The runner of a function. */
export class FunctionHost implements ProgramRunner {
  readonly #channel: Channel;
  readonly #env: Record<string, unknown>;
  readonly fn: LoadParcel["fn"];
  #storage: AsyncLocalStorage<Invocation> | undefined;
  #program: EvaluatedProgram | undefined;

  /** @param read reads what was sent; called once the globals of programs are in place */
  constructor(channel: Channel, load: LoadParcel, env: Record<string, unknown>, read: () => PendingProgram) {
    this.#channel = channel;
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
    queueMicrotask(() => {
      const program = this.#program as EvaluatedProgram;
      const { entrance } = invocation;
      const handler = entrance === undefined ? program.handler : handlerOf(program, entrance);
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
    globalThis.console = createConsole(log);
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

/** The handler for an invocation that does not enter by `fetch`. */
function handlerOf(program: EvaluatedProgram, head: RequestHead): Handler {
  return head.x === undefined ? methodHandler(program, head.f ?? "") : entryHandler(program, head);
}

/** A line that is longer is cut, and says by how much. */
const LINE_LENGTH_MAX = 40_000;

function boundedLine(text: string): string {
  const missing = text.length - LINE_LENGTH_MAX;
  return missing <= 0 ? text : `${text.slice(0, LINE_LENGTH_MAX)} … ${missing} more characters`;
}
