/** What a command has open, by number, and what each may be used for. */
import { FILE_TYPE, RIGHT, RIGHTS_ALL, RIGHTS_OF_FILES, RIGHTS_OF_FOLDERS, refuse } from "../numbers.ts";
import type { FileNode, FolderNode, Node } from "./nodes.ts";

const DESCRIPTORS_MAX = 1024;
/** Below are the standard streams. */
const FIRST_NUMBER = 3;
const STDIN = 0;

/** Whatever is open. */
abstract class Descriptor {
  abstract readonly type: number;
  rights: number;
  /** What may be had of what is opened in it. */
  inheriting: number;
  flags = 0;

  constructor(rights: number, inheriting: number) {
    this.rights = rights;
    this.inheriting = inheriting;
  }

  /** @throws {Refusal} when it may not be used so */
  need(rights: number): this {
    if ((this.rights & rights) === rights) return this;
    // As reading and writing are answered everywhere, whoever is on the other side.
    return refuse((rights & (RIGHT.fd_read | RIGHT.fd_write)) !== 0 ? "badf" : "notcapable");
  }

  close(): void {}
}

/** A standard stream. */
export class OpenStream extends Descriptor {
  // No terminal: programs that find one talk to somebody who is not there.
  readonly type = FILE_TYPE.unknown;
  readonly stream: number;

  constructor(stream: number) {
    super((stream === STDIN ? RIGHT.fd_read : RIGHT.fd_write) | RIGHT.poll_fd_readwrite | STREAM_RIGHTS, 0);
    this.stream = stream;
  }
}

const STREAM_RIGHTS = 0x20_0008;

/** A file that is open. */
export class OpenFile extends Descriptor {
  readonly type = FILE_TYPE.file;
  readonly node: FileNode;
  offset = 0;

  constructor(node: FileNode, rights: number) {
    super(rights & RIGHTS_OF_FILES, 0);
    this.node = node;
    node.use(1);
  }

  override close(): void {
    this.node.use(-1);
  }
}

/** A folder that is open. */
export class OpenFolder extends Descriptor {
  readonly type = FILE_TYPE.folder;
  readonly node: FolderNode;
  /** What it is called, for one that was open from the beginning. */
  readonly name: string | undefined;
  /** What it held when somebody began to list it. */
  listing: readonly (readonly [name: string, node: Node])[] | undefined;

  constructor(node: FolderNode, rights: number, inheriting: number, name?: string) {
    super(rights & RIGHTS_OF_FOLDERS, inheriting);
    this.node = node;
    this.name = name;
  }
}

/** Something open. */
export type Open = OpenStream | OpenFile | OpenFolder;

/** The table of one invocation. */
export class Descriptors {
  readonly #open = new Map<number, Open>();

  constructor(folders: ReadonlyMap<string, FolderNode>) {
    for (let stream = STDIN; stream < FIRST_NUMBER; stream += 1) this.#open.set(stream, new OpenStream(stream));
    for (const [name, folder] of folders) this.add(new OpenFolder(folder, RIGHTS_ALL, RIGHTS_ALL, name));
  }

  /** @throws {Refusal} when nothing is open there */
  get(number: number): Open {
    return this.#open.get(number >>> 0) ?? refuse("badf");
  }

  /** @throws {Refusal} when it is no file, or may not be used so */
  file(number: number, rights: number): OpenFile {
    const open = this.get(number);
    if (open instanceof OpenFile) return open.need(rights);
    return refuse(open instanceof OpenFolder ? "isdir" : "spipe");
  }

  /** @throws {Refusal} when it is no folder, or may not be used so */
  folder(number: number, rights: number): OpenFolder {
    const open = this.get(number);
    return open instanceof OpenFolder ? open.need(rights) : refuse("notdir");
  }

  /** Gives it the lowest number that is free. @throws {Refusal} when too many are open */
  add(open: Open): number {
    if (this.#open.size >= DESCRIPTORS_MAX) {
      open.close();
      refuse("mfile");
    }
    let number = FIRST_NUMBER;
    while (this.#open.has(number)) number += 1;
    this.#open.set(number, open);
    return number;
  }

  /** @throws {Refusal} */
  close(number: number): void {
    const open = this.get(number);
    this.#open.delete(number >>> 0);
    open.close();
  }

  /** What was at `from` is at `to`, where something is open, too. @throws {Refusal} */
  move(from: number, to: number): void {
    const moved = this.get(from);
    const before = this.get(to);
    if (moved === before) return;
    this.#open.delete(from >>> 0);
    this.#open.set(to >>> 0, moved);
    before.close();
  }
}
