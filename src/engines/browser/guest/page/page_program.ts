/** A function's module in its page: evaluated once, then invoked any number of times, many at once. */

import type { Connection } from "../../../../wire/connection.ts";
import { FRAME } from "../../../../wire/frame.ts";
import type { LoadParcel } from "../../../../wire/parcels.ts";
import type { StreamEvents, WireStream } from "../../../../wire/stream.ts";
import { Beginnings } from "../../../guest/beginnings.ts";
import { createPort } from "../../../guest/calls.ts";
import { createConsole } from "../../../guest/console.ts";
import type { EvaluatedProgram } from "../../../guest/evaluated.ts";
import { describeSafely } from "../../../guest/failures.ts";
import { asHandler, handlerFor, objectOf } from "../../../guest/handlers.ts";
import { Invocation, type InvocationOwner } from "../../../guest/invocations.ts";
import { boundedLine, LEVEL_MARK } from "../../../guest/log_lines.ts";
import { describeFailure } from "./failures.ts";
import { giveRequest } from "./given_request.ts";
import { INSPECTOR } from "./inspector.ts";
import type { PageBinding } from "./page_binding.ts";
import { installFetch } from "./page_fetch.ts";
import type { PageParts } from "./page_parts.ts";

/** What the guest hands over: the host's load, and where the module is. */
export interface PageLoad extends LoadParcel {
  /** The path of its address. */
  readonly module: string;
}

/** What `env` has for the page itself, unless something else is declared by this name. */
const PAGE = "PAGE";

/** The program. */
export class PageProgram implements InvocationOwner {
  readonly fn: LoadParcel["fn"];
  readonly #connection: Connection;
  readonly #load: PageLoad;
  readonly #parts: PageParts;
  readonly #env: Record<string, unknown>;
  readonly #running = new Set<WireStream>();
  readonly #beginnings: Beginnings;
  readonly #evaluated: Promise<EvaluatedProgram>;
  #start: () => void = () => {};
  #program: EvaluatedProgram | undefined;

  constructor(connection: Connection, load: PageLoad, parts: PageParts, browser: PageBinding) {
    this.#connection = connection;
    this.#load = load;
    this.#parts = parts;
    this.fn = load.fn;
    this.#beginnings = new Beginnings({ flush: () => connection.flush(), later: inAnotherTask() });
    this.#env = this.#environment(browser);
    this.#installGlobals();
    this.#evaluated = new Promise<void>((resolve) => {
      this.#start = resolve;
    }).then(() => this.#evaluate());
    this.#evaluated.then(
      (program) => {
        this.#program = program;
        this.#ready("{}");
      },
      (thrown) => this.#ready(JSON.stringify({ error: this.describe(thrown) })),
    );
  }

  /** Evaluates the module. */
  start(): void {
    this.#start();
  }

  readonly describe = (thrown: unknown) =>
    describeSafely(thrown, (each) => describeFailure(each, location.origin + this.#load.module, this.#load.name));

  readonly request = giveRequest;

  workFinished(stream: WireStream): void {
    this.#connection.sendBytes(FRAME.ready, stream.id);
  }

  /** Takes an invocation. */
  open(stream: WireStream, head: Uint8Array): StreamEvents {
    const invocation = new Invocation(stream, head, this);
    this.#running.add(stream);
    this.#beginnings.add(() => this.#run(invocation));
    return invocation;
  }

  async #run(invocation: Invocation): Promise<void> {
    try {
      const program = this.#program ?? (await this.#evaluated);
      await invocation.run(handlerFor(program, invocation.entrance), this.#env);
    } catch (thrown) {
      invocation.fail(thrown);
    }
    this.#running.delete(invocation.stream);
  }

  /** The invocation that is running, when it is the only one; 0 when it cannot be told. */
  #current(): number {
    if (this.#running.size !== 1) return 0;
    const [only] = this.#running;
    return only?.id ?? 0;
  }

  async #evaluate(): Promise<EvaluatedProgram> {
    const { module: path, name: file, exportName = "default" } = this.#load;
    const module = (await import(location.origin + path)) as Record<string, unknown>;
    if (!Object.hasOwn(module, exportName)) {
      throw new TypeError(`Cannot load function: export ${exportName} is missing (${file})`);
    }
    const main = module[exportName];
    return { handler: asHandler(main, exportName), exported: module, own: objectOf(main) };
  }

  #ready(text: string): void {
    // A program that came with its request says nothing but its answer.
    if (this.#load.mode === "function") this.#connection.sendText(FRAME.ready, 0, text);
  }

  #environment(browser: PageBinding): Record<string, unknown> {
    const { env, bindings = [] } = this.#load;
    const port = createPort({ connection: this.#connection, currentInvocation: () => this.#current(), busy() {} });
    for (const each of this.#parts.globals) each.install(port);
    installFetch();
    const all: Record<string, unknown> = { [PAGE]: browser, ...env };
    for (const declaration of bindings) {
      const half = this.#parts.bindings.find(({ type }) => type === declaration.type);
      if (half !== undefined) all[declaration.name] = half.create(port, declaration);
    }
    return all;
  }

  #installGlobals(): void {
    const log = (level: keyof typeof LEVEL_MARK, text: string) => {
      this.#connection.sendText(FRAME.log, this.#current(), LEVEL_MARK[level] + boundedLine(text));
      this.#connection.flush();
    };
    globalThis.console = createConsole(log, INSPECTOR);
    const report = (thrown: unknown, message: string) => {
      const { stack, message: own } = this.describe(thrown ?? new Error(message));
      log("error", `Uncaught ${stack || own || message}`);
    };
    addEventListener("error", (event) => {
      const { error, message } = event as ErrorEvent;
      report(error, message);
    });
    addEventListener("unhandledrejection", (event) => {
      report((event as Event & { readonly reason: unknown }).reason, "a promise was rejected");
    });
  }
}

/** Time-outs have a shortest time of 4 ms. */
function inAnotherTask(): (callback: () => void) => void {
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return (callback) => {
    waiting.push(callback);
    port2.postMessage(null);
  };
}
