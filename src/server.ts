/** What `main.ts` starts, and what it takes to start it. */
import type { Config } from "./control/config/config.ts";
import type { FinishedRequest } from "./core/observer.ts";
import type { Listener } from "./gateway/listener.ts";
import type { Log } from "./telemetry/log.ts";

/** How a server is started. */
export interface ServerOptions {
  readonly config: Config;
  readonly dataDirectory: string;
  /** `ISOPOD_LOG`, or what stands for it. */
  readonly logLevel?: string | undefined;
  /** Whether stderr has requests, and what programs wrote; it has when left out. */
  readonly requestLog?: boolean | undefined;
  /** Hears of each request that no route takes. */
  readonly unrouted?: ((request: FinishedRequest) => void) | undefined;
  /** Whether a reload loads each function into an instance first, and changes nothing when one fails; no when left out. */
  readonly tryOut?: boolean | undefined;
}

/** A running server. */
export interface Server {
  readonly listener: Listener;
  readonly admin: Listener;
  readonly log: Log;
  /** The state of the server, as `/status` gives it. */
  status(): object;
  /** Puts `config` in the place of the present one; requests under way go on. Addresses cannot change. */
  reload(config: Config): Promise<void>;
  /** Takes no more, waits for what runs as long as the configuration says, and ends everything. */
  close(): Promise<void>;
}
