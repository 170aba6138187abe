/** The middlewares that an instance runs: how each is run, and the calls that ask for them. */
import type { HookSettings } from "../../../../core/middleware.ts";
import type { StreamEvents, WireStream } from "../../../../wire/stream.ts";
import type { HookHost } from "./commands.ts";
import { HookCall, hookHead, type Runner } from "./hook_call.ts";
import { Persistent } from "./persistent.ts";
import { runPlain } from "./plain.ts";

/** The middlewares of an instance. */
export class Hooks {
  readonly #settings: HookSettings;
  readonly #runner: Runner;

  constructor(host: HookHost, settings: HookSettings) {
    this.#settings = settings;
    const runners = settings.list.map((middleware) => {
      if (middleware.mode === "plain") return runPlain.bind(undefined, host, middleware);
      const persistent = new Persistent(host, middleware);
      return persistent.ask.bind(persistent);
    });
    this.#runner = async (at, request) => runners[at]?.(request);
  }

  /** Takes an invocation that asks for hooks; undefined when it is none. */
  open(stream: WireStream, head: Uint8Array): StreamEvents | undefined {
    const asked = hookHead(head);
    return asked && new HookCall(stream, asked, this.#settings, this.#runner);
  }
}
