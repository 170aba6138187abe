/** The dialect of an instance that has no program: it runs middlewares for a function that cannot run them itself. */
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import type { Dialect, DialectHost } from "./dialect.ts";

/** The dialect. */
export class NoProgram implements Dialect {
  readonly #host: DialectHost;
  readonly current = 0;
  readonly isTimedOut = false;

  constructor(host: DialectHost) {
    this.#host = host;
  }

  start(): void {
    this.#host.ready();
  }

  open(stream: WireStream): StreamEvents {
    stream.reset(JSON.stringify({ code: "bad_request", message: "There is no program here" }));
    const ignore = () => {};
    return { head: ignore, data: ignore, end: ignore, reset: ignore, writable: ignore };
  }

  async shutDown(): Promise<void> {}
}
