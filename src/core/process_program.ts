/**
 * What the `process` engine runs: trees of files, and how the program in them is started and spoken to.
 *
 * A tree says what its files are by their hashes; where their bytes come from, a folder or the store, it alone knows.
 */

import type { EventForm } from "./event_form.ts";
import type { HookSettings } from "./middleware.ts";

/** How a program takes its work. */
export const DIALECTS = ["runtime-api", "stdio", "http"] as const;

/** How a program takes its work. */
export type Dialect = (typeof DIALECTS)[number];

/** Where a `stdio` program has its lines: on its standard streams, or on two named pipes below /tmp. */
export const LINE_PLACES = ["streams", "pipes"] as const;

/** The ready-made runtimes: programs of ours that load a handler and speak `stdio`. */
export const RUNTIMES = ["python", "node"] as const;

/** The dialect of an instance that has no program and runs middlewares for others. */
export const NO_PROGRAM = "none";

/** How a program is started and spoken to; a guest is told all of it. */
export interface ProcessSettings {
  readonly dialect: Dialect | typeof NO_PROGRAM;
  /** The words of its command line; `bootstrap` of its folder when left out. */
  readonly command?: readonly string[] | undefined;
  /** What it calls its handler, such as `module.function`. */
  readonly handler?: string | undefined;
  readonly event: EventForm;
  readonly lines: (typeof LINE_PLACES)[number];
  /** How long before its deadline it is told to end by SIGTERM, in milliseconds; 0 for not at all. */
  readonly graceMs: number;
  /** The path of an `http` program that answers below 500 once it is ready; a connection is enough when left out. */
  readonly readyPath?: string | undefined;
  /** The middlewares that the instance runs. */
  readonly hooks?: HookSettings | undefined;
}

/** A file or a symbolic link of a tree. */
export interface TreeEntry {
  /** Relative to the tree, of plain parts with "/" between them. */
  readonly path: string;
  /** `sha256-<hex>` of a file's bytes. */
  readonly hash?: string | undefined;
  readonly isExecutable: boolean;
  /** Where a link leads, relative and within the tree. */
  readonly link?: string | undefined;
}

/** Files that are laid out for a program, read-only. */
export interface FileTree {
  /** `sha256-<hex>` of all that its entries say. */
  readonly hash: string;
  readonly entries: readonly TreeEntry[];
  /** The bytes of a file. @throws {Error} when it cannot be read */
  read(entry: TreeEntry): Promise<Uint8Array>;
}

/** A program of the `process` engine. */
export interface ProcessProgram {
  readonly kind: "process";
  readonly name: string;
  readonly hash: string;
  /** What is at `/var/task`. */
  readonly code: FileTree;
  /** What is at `/opt`, the later ones over the earlier ones. */
  readonly layers: readonly FileTree[];
  /** What is at `/var/middlewares`. */
  readonly middlewares?: FileTree | undefined;
  /** Absolute path of a folder on this machine that is its root file system; the machine's own programs when left out. */
  readonly root?: string | undefined;
  readonly settings: ProcessSettings;
}
