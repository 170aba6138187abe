/** What whoever administers a project does with its databases of SQLite: everything, by the same processes as functions. */
import { closeSync, createReadStream, existsSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import type { DatabaseStatement } from "../../core/database_admin.ts";
import { IsopodError } from "../../core/errors.ts";
import type { DatabaseFile } from "./database_files.ts";
import type { Databases } from "./databases.ts";
import type { CallHead, SqlGrant } from "./grant.ts";

const ALL: SqlGrant = { mode: "read-write", tables: undefined };
const NOTHING = new Uint8Array(0);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Databases of SQLite, as the admin API has them. */
export class FilesAdministration {
  readonly #databases: Databases;

  constructor(databases: Databases) {
    this.#databases = databases;
  }

  list(project: string): readonly DatabaseFile[] {
    return this.#databases.files.list(project);
  }

  exists(project: string, name: string): boolean {
    return existsSync(this.#databases.files.path(project, name));
  }

  query(project: string, name: string, statements: readonly DatabaseStatement[]): Promise<string> {
    return this.#ask(project, name, ALL, { o: "batch", s: statements.map(({ sql, values }) => [sql, ...values]) });
  }

  async script(project: string, name: string, texts: readonly string[]): Promise<number> {
    const answer = await this.#ask(project, name, ALL, { o: "script", t: texts });
    return (JSON.parse(answer) as { count: number }).count;
  }

  async copy(project: string, name: string): Promise<ReadableStream<Uint8Array>> {
    if (!this.exists(project, name)) throw new IsopodError("not_found", { message: `There is no database "${name}".` });
    const path = this.#besides(project, name);
    try {
      await this.#ask(project, name, { copyTo: path });
      const fd = openSync(path, "r");
      return Readable.toWeb(createReadStream(path, { fd })) as unknown as ReadableStream<Uint8Array>;
    } finally {
      // Whoever reads it has it open.
      rmSync(path, { force: true });
    }
  }

  async replace(project: string, name: string, file: ReadableStream<Uint8Array>): Promise<void> {
    if (!this.exists(project, name)) this.#databases.checkQuota(project);
    // It is checked as a database of its own, under a name that nobody else has.
    const draft = `import-${crypto.randomUUID()}`;
    await this.#databases.exclusively(project, draft, () => {});
    const path = this.#databases.files.path(project, draft);
    try {
      await this.#receive(path, file);
      await this.#ask(project, draft, { check: true }).catch((error) => {
        const isOurs = error instanceof IsopodError && error.code !== "internal";
        throw isOurs
          ? error
          : new IsopodError("bad_request", { message: "Cannot import the file: it is no database of SQLite" });
      });
      // The process puts what is in its log into the file when it ends.
      await this.#databases.exclusively(project, draft, () => {});
      await this.#databases.exclusively(project, name, (target) => {
        for (const end of ["-wal", "-shm"]) rmSync(`${target}${end}`, { force: true });
        renameSync(path, target);
      });
    } finally {
      await this.#databases.delete(project, draft);
    }
  }

  delete(project: string, name: string): Promise<boolean> {
    return this.#databases.delete(project, name);
  }

  async #receive(path: string, file: ReadableStream<Uint8Array>): Promise<void> {
    const { databaseBytesMax: value } = this.#databases.limits;
    const fd = openSync(path, "wx", 0o600);
    try {
      let bytes = 0;
      for await (const chunk of file) {
        bytes += chunk.length;
        if (bytes > value) {
          const message = `Cannot import more than ${value} bytes: a database may have no more`;
          throw new IsopodError("database_full", { message, limit: { name: "databaseBytesMax", value } });
        }
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
      }
    } finally {
      closeSync(fd);
    }
  }

  async #ask(project: string, name: string, head: CallHead, request?: unknown): Promise<string> {
    const bytes = request === undefined ? NOTHING : encoder.encode(JSON.stringify(request));
    return decoder.decode(await this.#databases.call({ project, name, head, request: bytes }));
  }

  #besides(project: string, name: string): string {
    return join(dirname(this.#databases.files.path(project, name)), `.copy-${crypto.randomUUID()}`);
  }
}
