/**
 * All databases of a server: `DATA/sql/PROJECT/NAME.sqlite`, each opened when it is asked, its process ended when it is
 * not. At most so many are in use at a time; when one more is wanted, the one that was asked longest ago makes room.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Clock, systemClock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import type { SqlGrant } from "./grant.ts";
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
  report?: OpenDatabaseParts["report"];
}

/** What is asked of a database. */
export interface DatabaseCall {
  readonly project: string;
  readonly name: string;
  readonly grant: SqlGrant;
  /** As `database/request.ts` reads it. */
  readonly request: Uint8Array;
  /** How long it may take, in milliseconds, when that is less than the limit. */
  readonly workMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A database, as it is listed. */
export interface DatabaseInfo {
  readonly name: string;
  readonly bytes: number;
}

/** Names of projects and databases are names of files. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/i;
const encoder = new TextEncoder();

/** The databases of a server. */
export class Databases {
  readonly limits: SqlLimits;
  readonly #options: DatabasesOptions;
  readonly #poolLimits: SqlPoolLimits;
  readonly #clock: Clock;
  readonly #open = new Map<string, OpenDatabase>();
  readonly #grants = new WeakMap<SqlGrant, Uint8Array>();
  readonly #closing = new Set<Promise<void>>();
  #program: string | undefined;
  #closed = false;

  constructor(options: DatabasesOptions) {
    this.#options = options;
    this.limits = { ...SQL_LIMITS, ...options.limits };
    this.#poolLimits = { ...SQL_POOL_LIMITS, ...options.poolLimits };
    this.#clock = options.clock ?? systemClock;
  }

  /** Resolves with the JSON of the results. @throws {IsopodError} */
  async call({ project, name, grant, request, workMs, signal }: DatabaseCall): Promise<Uint8Array> {
    const { requestBytesMax, callMsMax } = this.limits;
    if (request.length > requestBytesMax) {
      const limit = { name: "requestBytesMax", value: requestBytesMax };
      const message = `Cannot send ${request.length} bytes to a database: the limit is ${requestBytesMax}`;
      throw new IsopodError("value_too_large", { message, limit });
    }
    const asked = { grant: this.#grantLine(grant), request, workMs: Math.min(callMsMax, workMs ?? callMsMax), signal };
    return await this.#use(project, name).call(asked);
  }

  /** The databases of a project. */
  list(project: string): readonly DatabaseInfo[] {
    const folder = this.#folder(project);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((file) => file.endsWith(".sqlite"))
      .map((file) => ({ name: file.slice(0, -".sqlite".length), bytes: statSync(join(folder, file)).size }));
  }

  /** The file of a database that exists; undefined when there is none. */
  path(project: string, name: string): string | undefined {
    const path = this.#path(project, name);
    return existsSync(path) ? path : undefined;
  }

  /** The process of a database, when it has one. */
  pid(project: string, name: string): number | undefined {
    return this.#open.get(`${project}/${name}`)?.pid;
  }

  /** Deletes a database; what is under way is answered before. Returns whether there was one. */
  async delete(project: string, name: string): Promise<boolean> {
    const path = this.#path(project, name);
    await this.#release(`${project}/${name}`);
    if (!existsSync(path)) return false;
    for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
    return true;
  }

  /** Deletes everything of a project. */
  async deleteProject(project: string): Promise<void> {
    const folder = this.#folder(project);
    const keys = [...this.#open.keys()].filter((key) => key.startsWith(`${project}/`));
    await Promise.all(keys.map((key) => this.#release(key)));
    rmSync(folder, { recursive: true, force: true });
  }

  /** Ends every process. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#closing, ...[...this.#open.keys()].map((key) => this.#release(key))]);
  }

  async #release(key: string): Promise<void> {
    const open = this.#open.get(key);
    await open?.close();
    if (this.#open.get(key) === open) this.#open.delete(key);
  }

  #use(project: string, name: string): OpenDatabase {
    if (this.#closed) throw new IsopodError("draining");
    const key = `${project}/${name}`;
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const path = this.#path(project, name);
    this.#makeRoom();
    const folder = this.#folder(project);
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

  /** @throws {IsopodError} `overloaded` when all databases in use are at work */
  #makeRoom(): void {
    const { processesMax } = this.#poolLimits;
    if (this.#open.size < processesMax) return;
    const idle = [...this.#open].filter(([, open]) => open.isIdle).sort(([, a], [, b]) => a.usedAt - b.usedAt)[0];
    if (idle === undefined) {
      throw new IsopodError("overloaded", { cause: `${processesMax} databases are at work`, retryAfterSeconds: 1 });
    }
    this.#open.delete(idle[0]);
    const closing = idle[1].close();
    this.#closing.add(closing);
    closing.finally(() => this.#closing.delete(closing));
  }

  #grantLine(grant: SqlGrant): Uint8Array {
    let line = this.#grants.get(grant);
    if (line === undefined) {
      line = encoder.encode(`${JSON.stringify({ mode: grant.mode, tables: grant.tables })}\n`);
      this.#grants.set(grant, line);
    }
    return line;
  }

  #folder(project: string): string {
    return join(this.#options.directory, "projects", checked(project, "project"));
  }

  #path(project: string, name: string): string {
    return join(this.#folder(project), `${checked(name, "database")}.sqlite`);
  }
}

/** @throws {IsopodError} `bad_request` */
function checked(name: string, what: string): string {
  if (NAME.test(name)) return name;
  throw new IsopodError("bad_request", { message: `Cannot use "${name.slice(0, 64)}" as the name of a ${what}` });
}
