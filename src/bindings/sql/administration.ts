/** The databases of both dialects as the admin API has them: a name stands for what functions and plans mean by it. */
import type { SecretUrl } from "../../core/binding_kinds.ts";
import type { DatabaseAdmin, DatabaseInfo, DatabaseStatement, FoundDatabase } from "../../core/database_admin.ts";
import type { DatabaseUrls } from "../../core/database_urls.ts";
import { IsopodError } from "../../core/errors.ts";
import type { FilesAdministration } from "./files_administration.ts";
import type { PgDatabase } from "./postgres/connections.ts";
import { exportRows } from "./postgres/export.ts";
import type { Postgres } from "./postgres/postgres.ts";

/** How long an export may take, the time included in which nobody reads it. */
const EXPORT_MS_MAX = 600_000;
const encoder = new TextEncoder();

/** What administering takes. */
export interface AdministrationParts {
  readonly files: FilesAdministration;
  readonly postgres: Postgres;
  readonly urls: Pick<DatabaseUrls, "named">;
}

/** The databases. */
export class Administration implements DatabaseAdmin {
  readonly #parts: AdministrationParts;

  constructor(parts: AdministrationParts) {
    this.#parts = parts;
  }

  async list(project: string): Promise<readonly DatabaseInfo[]> {
    const { files, urls } = this.#parts;
    const named = (await urls.named(project)).map(({ name }) => name);
    const own = files.list(project).filter(({ name }) => !named.includes(name));
    return [
      ...named.map((name) => ({ name, dialect: "postgres", bytes: null }) as const),
      ...own.map((file) => ({ ...file, dialect: "sqlite" }) as const),
    ];
  }

  async find(project: string, name: string): Promise<FoundDatabase> {
    const url = await this.#urlOf(project, name);
    if (url !== undefined) return { name, dialect: "postgres", bytes: null, isOperators: url.isTrusted };
    const file = this.#parts.files.list(project).find((each) => each.name === name);
    return { name, dialect: "sqlite", bytes: file?.bytes ?? null, isOperators: false };
  }

  async query(project: string, name: string, statements: readonly DatabaseStatement[]): Promise<string> {
    const database = await this.#postgresOf(project, name);
    if (database === undefined) return this.#parts.files.query(project, name, statements);
    return await this.#ask(database, { o: "batch", s: statements.map(({ sql, values }) => [sql, ...values]) });
  }

  async script(project: string, name: string, texts: readonly string[]): Promise<number> {
    const database = await this.#postgresOf(project, name);
    if (database === undefined) return this.#parts.files.script(project, name, texts);
    return (JSON.parse(await this.#ask(database, { o: "script", t: texts })) as { count: number }).count;
  }

  async copy(project: string, name: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const database = await this.#postgresOf(project, name);
    if (database === undefined) return this.#parts.files.copy(project, name);
    const rows = this.#parts.postgres.reading({ ...database, workMs: EXPORT_MS_MAX, signal }, exportRows);
    // What fails at once is an answer, and not the end of one.
    const first = await rows.next();
    let next: Promise<IteratorResult<string>> = Promise.resolve(first);
    return new ReadableStream<Uint8Array>({
      async pull(controller) {
        const { done, value } = await next;
        if (done) return controller.close();
        controller.enqueue(encoder.encode(value));
        next = rows.next();
        // Who reads on is told.
        next.catch(() => {});
      },
      cancel: () => void rows.return(undefined),
    });
  }

  async replace(project: string, name: string, file: ReadableStream<Uint8Array>): Promise<void> {
    if ((await this.#urlOf(project, name)) === undefined) return this.#parts.files.replace(project, name, file);
    throw notOurs(name, "import a text of statements (.sql) instead");
  }

  async delete(project: string, name: string): Promise<boolean> {
    if ((await this.#urlOf(project, name)) === undefined) return this.#parts.files.delete(project, name);
    throw notOurs(name, "it is deleted where it is");
  }

  async #ask(database: PgDatabase, asked: unknown): Promise<string> {
    const { postgres } = this.#parts;
    const request = encoder.encode(JSON.stringify(asked));
    const call = { ...database, mode: "read-write", tables: undefined, isAdministration: true, request } as const;
    const { signal } = new AbortController();
    return new TextDecoder().decode(await postgres.call({ ...call, workMs: postgres.limits.callMsMax, signal }));
  }

  async #postgresOf(project: string, name: string): Promise<PgDatabase | undefined> {
    const found = await this.#urlOf(project, name);
    return found && { project, ...found };
  }

  /** @throws {IsopodError} `bad_request` for a name under which there are several */
  async #urlOf(project: string, name: string): Promise<SecretUrl | undefined> {
    const found = (await this.#parts.urls.named(project)).find((each) => each.name === name);
    if (found === undefined || found.secretUrl !== undefined) return found?.secretUrl;
    const message = `Cannot tell which database "${name}" is: bindings of this name have several urls, or none`;
    throw new IsopodError("bad_request", { message });
  }
}

function notOurs(name: string, instead: string): IsopodError {
  return new IsopodError("bad_request", { message: `"${name}" is a database of PostgreSQL: ${instead}` });
}
