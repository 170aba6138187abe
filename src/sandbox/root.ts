/**
 * The root file system of sandboxes: a small read-only tree, laid once when the server starts.
 *
 * One bind of a prepared tree is cheaper than a bind for every file (10.3 against 11.5 ms a start). The program's
 * binary is bound from where it stands when a sandboxed uid can read it there, and copied into the tree when not: a
 * checkout below /root is the usual reason.
 */
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/** What the tree is made of. */
export interface RootOptions {
  /** Where to lay the tree; another place is chosen when sandboxed uids cannot reach this one. */
  readonly directory: string;
  /** The program that runs in the sandbox. */
  readonly program: string;
  /** Further files, by their path in the sandbox. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /** Further folders: empty ones, for something to be mounted on. */
  readonly folders?: readonly string[] | undefined;
  /** Symbolic links, by their path in the sandbox. */
  readonly links?: Readonly<Record<string, string>> | undefined;
  /** Files and folders of this machine that are copied to the same path, links as they are. */
  readonly copies?: readonly string[] | undefined;
  /** Whether programs of users run in it, which may be of another user's: libraries are left to what is mounted. */
  readonly withoutLibraries?: boolean | undefined;
}

/** A laid tree. */
export interface SandboxRoot {
  readonly path: string;
  /** Path of the program inside the sandbox. */
  readonly program: string;
  /** Where the program is bound from; undefined when it is in the tree. */
  readonly programSource: string | undefined;
  /** Removes the tree. */
  remove(): void;
}

const PROGRAM = "/program";
const ATTEMPTS_MAX = 5;
const READ_BY_OTHERS = 0o004;
const ENTER_BY_OTHERS = 0o001;

/**
 * Lays the tree.
 * @throws {Error} naming the file that is missing or cannot be written
 */
export function layRoot(options: RootOptions): SandboxRoot {
  const path = makeFolder(options.directory, "root");
  for (const folder of ["proc", "dev", "tmp"]) mkdirSync(join(path, folder), { mode: 0o755 });
  writeFileSync(join(path, "dev/null"), "");
  for (const folder of options.folders ?? []) mkdirSync(join(path, folder), { recursive: true, mode: 0o755 });
  for (const [name, target] of Object.entries(options.links ?? {})) symlinkSync(target, join(path, name));
  for (const library of options.withoutLibraries === true ? [] : librariesOf(options.program)) {
    mkdirSync(join(path, dirname(library)), { recursive: true, mode: 0o755 });
    copyFileSync(library, join(path, library));
    chmodSync(join(path, library), 0o755);
  }
  for (const [name, content] of Object.entries(options.files)) {
    mkdirSync(join(path, dirname(name)), { recursive: true, mode: 0o755 });
    writeFileSync(join(path, name), content, { mode: 0o444 });
  }
  for (const name of options.copies ?? []) {
    mkdirSync(join(path, dirname(name)), { recursive: true, mode: 0o755 });
    cpSync(`/${name}`, join(path, name), { recursive: true, verbatimSymlinks: true });
  }
  const inTree = join(path, PROGRAM);
  const readable = isReachable(options.program, READ_BY_OTHERS | ENTER_BY_OTHERS);
  if (readable) writeFileSync(inTree, "");
  else copyProgram(options.program, inTree);
  return {
    path,
    program: PROGRAM,
    programSource: readable ? options.program : undefined,
    remove: () => removeFolder(path),
  };
}

/** Removes the trees of servers that were killed before they could: each names the process that laid it. */
function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = /^(?:root|code)-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`) || Number(pid) === process.pid) continue;
    rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/** A new folder for files of programs, which sandboxed uids can reach; its name says whose it is. @throws {Error} */
export function makeCodeFolder(directory: string): string {
  return makeFolder(directory, "code");
}

function makeFolder(directory: string, kind: "root" | "code"): string {
  for (let attempt = 1; ; attempt++) {
    try {
      const place = placeFor(directory);
      removeAbandoned(place);
      const path = mkdtempSync(join(place, `${kind}-${process.pid}-`));
      chmodSync(path, 0o755);
      return path;
    } catch (error) {
      // Another server that ends may have removed the place in this moment.
      if (attempt === ATTEMPTS_MAX || (error as { code?: unknown }).code !== "ENOENT") throw error;
    }
  }
}

/** Removes such a folder, and with the last one the place below the system's temporary folder. */
export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
  if (dirname(path) !== standInPlace()) return;
  try {
    rmdirSync(dirname(path));
  } catch {
    // Other servers of this user have theirs there.
  }
}

function standInPlace(): string {
  return join(tmpdir(), `isopod-sandbox-${process.getuid?.()}`);
}

/** The wanted directory when sandboxed uids can enter it, else one below the system's temporary folder. */
function placeFor(directory: string): string {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  if (isReachable(directory, ENTER_BY_OTHERS)) return directory;
  const place = standInPlace();
  mkdirSync(place, { recursive: true, mode: 0o755 });
  const { uid, mode } = statSync(place);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) {
    throw new Error(`Cannot use ${place}: expected a folder of this user that nobody else can write`);
  }
  chmodSync(place, 0o755);
  return place;
}

/** Whether any user may use `path` in the ways of `bits`, and enter every folder above it. */
function isReachable(path: string, bits: number): boolean {
  if (process.getuid?.() !== 0) return true;
  try {
    if ((statSync(path).mode & bits) !== bits) return false;
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      if ((statSync(folder).mode & ENTER_BY_OTHERS) === 0) return false;
      if (folder === dirname(folder)) return true;
    }
  } catch {
    return false;
  }
}

function copyProgram(from: string, to: string): void {
  try {
    linkSync(from, to);
    if ((statSync(to).mode & READ_BY_OTHERS) !== 0) return;
    rmSync(to);
  } catch {
    // Another file system, or links are not allowed: copied below.
  }
  copyFileSync(from, to, constants.COPYFILE_FICLONE);
  chmodSync(to, 0o755);
}

/** The shared libraries that a program of ours needs, with its loader. A static program needs none. */
function librariesOf(program: string): string[] {
  const { stdout } = Bun.spawnSync(["ldd", program], { env: { LC_ALL: "C" }, stdout: "pipe", stderr: "ignore" });
  const paths = [...stdout.toString().matchAll(/(?:=>\s+|^\s*)(\/\S+)\s+\(0x/gm)].map((match) => match[1] as string);
  for (const path of paths) accessSync(path, constants.R_OK);
  // The guest opens it by this name for its native calls.
  if (paths.length > 0 && !paths.some((path) => basename(path) === "libc.so.6")) {
    throw new Error(`Cannot prepare a sandbox for ${program}: it is not linked against glibc`);
  }
  return paths;
}
