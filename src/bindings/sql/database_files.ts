/** Where databases lie: `PROJECT/NAME.sqlite`, in a folder of projects. */
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { IsopodError } from "../../core/errors.ts";

const END = ".sqlite";
/** Names of projects and databases are names of files. */
const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/i;

/** A file. */
export interface DatabaseFile {
  /** Of the database. */
  readonly name: string;
  readonly bytes: number;
}

/** The files of all databases. Everything throws `bad_request` for what is no name. */
export class DatabaseFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = join(directory, "projects");
  }

  folder(project: string): string {
    return join(this.#directory, checked(project, "project"));
  }

  /** The file of a database, whether there is one or not. */
  path(project: string, name: string): string {
    return join(this.folder(project), `${checked(name, "database")}${END}`);
  }

  /** The databases of a project. */
  list(project: string): readonly DatabaseFile[] {
    const folder = this.folder(project);
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((file) => file.endsWith(END))
      .map((file) => ({ name: file.slice(0, -END.length), bytes: bytesOf(join(folder, file)) }));
  }
}

/** With the log of what is not yet in the file itself. */
function bytesOf(path: string): number {
  return statSync(path).size + (statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0);
}

/** Removes a database that no process has open. Returns whether there was one. */
export function removeDatabase(path: string): boolean {
  if (!existsSync(path)) return false;
  for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
  return true;
}

function checked(name: string, what: string): string {
  if (NAME.test(name)) return name;
  throw new IsopodError("bad_request", { message: `Cannot use "${name.slice(0, 64)}" as the name of a ${what}` });
}
