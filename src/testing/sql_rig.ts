/** Databases of a test: in a folder of their own, with their real processes, and gone with the test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Databases, type DatabasesOptions } from "../bindings/sql/databases.ts";
import type { SqlGrant } from "../bindings/sql/grant.ts";
import { databaseCode } from "../guest_code.ts";

/** May do everything. */
export const OWNER: SqlGrant = { mode: "read-write", tables: undefined };

/** A result as a database's process writes it. */
export interface SqlResult {
  readonly c: readonly string[];
  readonly r: readonly (readonly unknown[])[];
  readonly m: Readonly<Record<string, number | boolean | null>>;
}

let code: string | undefined;

/** What a test uses. */
export interface SqlRig extends AsyncDisposable {
  readonly databases: Databases;
  readonly directory: string;
  /** Runs one statement. @throws {IsopodError} */
  query(sql: string, values?: readonly unknown[], options?: AskOptions): Promise<SqlResult>;
  /** Makes any call. @throws {IsopodError} */
  ask(request: unknown, options?: AskOptions): Promise<unknown>;
}

/** As whom, and which database. */
export interface AskOptions {
  readonly grant?: SqlGrant;
  readonly project?: string;
  readonly name?: string;
  readonly workMs?: number;
  readonly signal?: AbortSignal;
}

/** Opens databases. */
export function openSqlRig(options: Partial<DatabasesOptions> = {}): SqlRig {
  const directory = mkdtempSync(join(tmpdir(), "isopod-sql-"));
  code ??= databaseCode();
  const databases = new Databases({ directory, program: () => code as string, ...options });
  const ask = async (request: unknown, { grant = OWNER, project = "p", name = "d", ...rest }: AskOptions = {}) => {
    const bytes = new TextEncoder().encode(JSON.stringify(request));
    const answer = await databases.call({ project, name, head: grant, request: bytes, ...rest });
    return JSON.parse(new TextDecoder().decode(answer)) as unknown;
  };
  return {
    databases,
    directory,
    ask,
    async query(sql, values = [], asked = {}) {
      const [result] = (await ask({ o: "query", s: [[sql, ...values]] }, asked)) as SqlResult[];
      return result as SqlResult;
    },
    async [Symbol.asyncDispose]() {
      await databases.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
