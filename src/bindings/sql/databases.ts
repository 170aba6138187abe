/**
 * All databases of a server: `DATA/sql/PROJECT/NAME.sqlite`, each opened when it is asked, its process ended when it is
 * not. At most so many are in use at a time; when one more is wanted, the one that was asked longest ago makes room.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import type { DataQuotas } from "../../core/binding.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import { DatabaseFiles, removeDatabase } from "./database_files.ts";
import type { CallHead } from "./grant.ts";
import { SQL_LIMITS, SQL_POOL_LIMITS, type SqlLimits, type SqlPoolLimits } from "./limits.ts";
import { OpenDatabase, type OpenDatabaseParts } from "./open_database.ts";
import { layProgram } from "./program_file.ts";

/** How databases are set up. */
export interface DatabasesOptions {
  /** Where they lie; made when there is a first one. */
  readonly directory: string;
  /** The program of a database's process, as a text. */
  program(): string;
  /** The Bun binary that runs it; the one of this process when left out. */
  readonly bun?: string | undefined;
  readonly limits?: Partial<SqlLimits> | undefined;
  readonly poolLimits?: Partial<SqlPoolLimits> | undefined;
  readonly clock?: Clock | undefined;
  /** How much the databases of a project may grow to together; without bounds when left out. */
  readonly quotas?: DataQuotas | undefined;
  report?: OpenDatabaseParts["report"];
}

/** What is asked of a database. */
export interface DatabaseCall {
  readonly project: string;
  readonly name: string;
  readonly head: CallHead;
  /** As `database/request.ts` reads it. */
  readonly request: Uint8Array;
  /** How long it may take, in milliseconds, when that is less than the limit. */
  readonly workMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const encoder = new TextEncoder();

/** The databases of a server. */
export class Databases {
  readonly limits: SqlLimits;
  readonly files: DatabaseFiles;
  readonly #options: DatabasesOptions;
  readonly #poolLimits: SqlPoolLimits;
  readonly #clock: Clock;
  readonly #open = new Map<string, OpenDatabase>();
  readonly #heads = new WeakMap<CallHead, Uint8Array>();
  /** Databases whose process is being ended, and those whose file is being put away or replaced. */
  readonly #closing = new Map<string, Promise<void>>();
  readonly #held = new Map<string, Promise<unknown>>();
  #program: string | undefined;
  #closed = false;

  constructor(options: DatabasesOptions) {
    this.#options = options;
    this.files = new DatabaseFiles(options.directory);
    this.limits = { ...SQL_LIMITS, ...options.limits };
    this.#poolLimits = { ...SQL_POOL_LIMITS, ...options.poolLimits };
    this.#clock = options.clock ?? systemClock;
  }

  /** Resolves with the JSON of the results. @throws {IsopodError} */
  async call({ project, name, head, request, workMs, signal }: DatabaseCall): Promise<Uint8Array> {
    const { requestBytesMax, callMsMax } = this.limits;
    if (request.length > requestBytesMax) {
      const limit = { name: "requestBytesMax", value: requestBytesMax };
      const message = `Cannot send ${request.length} bytes to a database: the limit is ${requestBytesMax}`;
      throw new IsopodError("value_too_large", { message, limit });
    }
    const asked = { head: this.#headLine(head), request, workMs: Math.min(callMsMax, workMs ?? callMsMax), signal };
    const key = `${project}/${name}`;
    for (let held = this.#held.get(key); held !== undefined; held = this.#held.get(key)) await held.catch(() => {});
    return await this.#use(project, name).call(asked);
  }

  /** The process of a database, when it has one. */
  pid(project: string, name: string): number | undefined {
    return this.#open.get(`${project}/${name}`)?.pid;
  }

  /** Does something with a file that no process has open; calls wait meanwhile. */
  async exclusively<T>(project: string, name: string, work: (path: string) => T): Promise<T> {
    const path = this.files.path(project, name);
    const key = `${project}/${name}`;
    for (let held = this.#held.get(key); held !== undefined; held = this.#held.get(key)) await held.catch(() => {});
    const done = this.#release(key).then(() => work(path));
    this.#held.set(key, done);
    try {
      return await done;
    } finally {
      this.#held.delete(key);
    }
  }

  /** Deletes a database; what is under way is answered before. Returns whether there was one. */
  delete(project: string, name: string): Promise<boolean> {
    return this.exclusively(project, name, removeDatabase);
  }

  /** Deletes everything of a project. */
  async deleteProject(project: string): Promise<void> {
    const folder = this.files.folder(project);
    const keys = () => [...this.#open.keys(), ...this.#closing.keys()].filter((key) => key.startsWith(`${project}/`));
    // Somebody may have asked meanwhile: a process must not go on with a file that is gone.
    while (keys().length > 0) await Promise.all(keys().map((key) => this.#release(key)));
    rmSync(folder, { recursive: true, force: true });
  }

  /** Ends every process; a call that is under way has as long as one that nobody waits for. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const open of this.#open.values()) open.abandon();
    await Promise.all([...this.#open.keys(), ...this.#closing.keys()].map((key) => this.#release(key)));
  }

  async #release(key: string): Promise<void> {
    const open = this.#open.get(key);
    await Promise.all([open?.close(), this.#closing.get(key)]);
    if (this.#open.get(key) === open) this.#open.delete(key);
  }

  #use(project: string, name: string): OpenDatabase {
    if (this.#closed) throw new IsopodError("draining");
    const key = `${project}/${name}`;
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const path = this.files.path(project, name);
    if (!existsSync(path)) this.checkQuota(project);
    this.#makeRoom();
    const folder = this.files.folder(project);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#program ??= layProgram(this.#options.directory, this.#options.program());
    const { bun = process.execPath, report = () => {} } = this.#options;
    const open: OpenDatabase = new OpenDatabase({
      process: { bun, program: this.#program, path, temporary: folder, limits: this.limits },
      limits: this.#poolLimits,
      clock: this.#clock,
      report: (message, fields) => report(message, { ...fields, project, database: name }),
      released: () => {
        if (this.#open.get(key) === open) this.#open.delete(key);
      },
    });
    this.#open.set(key, open);
    return open;
  }

  /** A database counts with what it may grow to, so that many that grow at once keep to it. @throws {IsopodError} `quota_exceeded` */
  checkQuota(project: string): void {
    const value = this.#options.quotas?.bytesMax("sql", project);
    if (value === undefined) return;
    const opening = [...this.#open.keys()].filter((key) => key.startsWith(`${project}/`));
    const names = new Set([...opening, ...this.files.list(project).map(({ name }) => `${project}/${name}`)]);
    if ((names.size + 1) * this.limits.databaseBytesMax <= value) return;
    throw new IsopodError("quota_exceeded", {
      message: `Cannot make another database: the ${names.size} of project "${project}" may grow to all that it may have`,
      limit: { name: "sqlBytesMax", value },
    });
  }

  /** @throws {IsopodError} `overloaded` when all databases in use are at work */
  #makeRoom(): void {
    const { processesMax } = this.#poolLimits;
    if (this.#open.size < processesMax) return;
    const idle = [...this.#open].filter(([, open]) => open.isIdle).sort(([, a], [, b]) => a.usedAt - b.usedAt)[0];
    if (idle === undefined) {
      throw new IsopodError("overloaded", { cause: `${processesMax} databases are at work`, retryAfterSeconds: 1 });
    }
    this.#open.delete(idle[0]);
    const [key, open] = idle;
    this.#closing.set(
      key,
      open.close().then(() => void this.#closing.delete(key)),
    );
  }

  #headLine(head: CallHead): Uint8Array {
    let line = this.#heads.get(head);
    if (line === undefined) {
      line = encoder.encode(`${JSON.stringify(head)}\n`);
      this.#heads.set(head, line);
    }
    return line;
  }
}
