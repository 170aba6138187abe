/** What becomes of a connection behind its call: its session is thrown away, or it is, and whatever it left running. */
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import type { PgConnection } from "./connection.ts";
import type { PoolKey } from "./pool.ts";

/** How long a server may take to end a session, or a process that did not hear. */
const RELEASE_MS_MAX = 5000;

/** A connection whose call is over. */
export interface Release {
  readonly key: PoolKey;
  readonly connection: PgConnection;
  readonly isCancelled: boolean;
  /** Opens another connection to the same database. */
  another(signal: AbortSignal): Promise<PgConnection>;
}

/** Connections on their way back. */
export class Releases {
  readonly #clock: Clock;
  readonly #give: (key: PoolKey, connection: PgConnection) => void;
  readonly #running = new Set<Promise<void>>();

  /** @param give takes each connection when it can be used again, or is broken */
  constructor(clock: Clock, give: (key: PoolKey, connection: PgConnection) => void) {
    this.#clock = clock;
    this.#give = give;
  }

  /** Begins one; nobody waits for it. */
  begin(release: Release): void {
    const { key, connection, isCancelled } = release;
    const running = (isCancelled ? this.#endCancelled(release) : this.#reset(connection)).finally(() => {
      this.#give(key, connection);
      this.#running.delete(running);
    });
    this.#running.add(running);
  }

  /** Settles when those that have begun are over. */
  async done(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #reset(connection: PgConnection): Promise<void> {
    const cancelTimer = this.#clock.after(RELEASE_MS_MAX, () => connection.destroy());
    if (!connection.broken) await connection.reset().catch(() => connection.destroy());
    cancelTimer();
  }

  /**
   * What was cancelled is not used again: a cancel that comes late would hit whoever is next. A routine may have caught the
   * cancel and go on without a connection; then its process is ended from another one, as far as the role may.
   */
  async #endCancelled({ connection, another }: Release): Promise<void> {
    const wasHeard = !connection.broken;
    connection.destroy();
    if (wasHeard || connection.processID === 0) return;
    const ender = new AbortController();
    const cancelTimer = this.#clock.after(RELEASE_MS_MAX, () => ender.abort(new IsopodError("sql_timeout")));
    const other = await another(ender.signal).catch(() => undefined);
    ender.signal.addEventListener("abort", () => other?.destroy());
    const backend = `pid = ${connection.processID} AND datname = current_database()`;
    await other?.control(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${backend}`).catch(() => {});
    cancelTimer();
    other?.close();
  }
}
