/**
 * Files, folders and symbolic links in memory. Those of the function are made once, are read-only, and are the same for
 * all invocations; those below `/tmp` belong to one invocation, and take of its room.
 */
import { FILE_TYPE, refuse } from "../numbers.ts";
import { AnyNode, NODE_BYTES, type Room } from "./node.ts";

/** Files grow by half, and by this much at the most: they are shorter than what they take by no more. */
const SPARE_BYTES_MAX = 1024 * 1024;
const NOTHING = new Uint8Array(0);

/** A file. */
export class FileNode extends AnyNode {
  readonly type = FILE_TYPE.file;
  #bytes: Uint8Array;
  #size: number;
  /** Descriptors of it. */
  #open = 0;

  /** @param size of what is not there yet */
  constructor(room: Room | undefined, bytes: Uint8Array = NOTHING, size = bytes.length) {
    super(room, undefined);
    this.#bytes = bytes;
    this.#size = size;
  }

  /** Whether a descriptor of it is open. */
  protected get isOpen(): boolean {
    return this.#open > 0;
  }

  /** Has other contents from now on, or none until there are some. */
  protected replace(bytes: Uint8Array | undefined): void {
    this.#bytes = bytes ?? NOTHING;
    if (bytes !== undefined) this.#size = bytes.length;
  }

  get size(): number {
    return this.#size;
  }

  /** Copies what is at `offset` into `target`: the number of bytes. */
  read(target: Uint8Array, offset: number): number {
    const found = this.#bytes.subarray(offset, Math.min(offset + target.length, this.#size));
    target.set(found);
    return found.length;
  }

  /** Writes `source` at `offset`; what lies between is zeros. @throws {Refusal} */
  write(source: Uint8Array, offset: number): void {
    this.writable();
    if (source.length === 0) return;
    if (offset + source.length > this.#size) this.resize(offset + source.length);
    this.#bytes.set(source, offset);
    this.touch();
  }

  /** @throws {Refusal} when there is no room */
  resize(size: number): void {
    this.writable().take(size - this.#size);
    if (size > this.#bytes.length) {
      const spare = Math.min(this.#bytes.length >> 1, SPARE_BYTES_MAX);
      const grown = new Uint8Array(Math.max(size, this.#bytes.length + spare));
      grown.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = grown;
    } else if (size < this.#size) {
      this.#bytes.fill(0, size, this.#size);
    }
    this.#size = size;
    this.touch();
  }

  /** A descriptor of it has been opened, or closed. */
  use(count: 1 | -1): void {
    this.#open += count;
    if (count < 0) this.free();
  }

  free(): void {
    if (this.room === undefined || this.links > 0 || this.#open > 0) return;
    this.room.take(-NODE_BYTES - this.#size);
    this.#bytes = NOTHING;
    this.#size = 0;
  }
}

/** A symbolic link. */
export class LinkNode extends AnyNode {
  readonly type = FILE_TYPE.link;
  readonly target: string;

  constructor(room: Room | undefined, target: string) {
    super(room, undefined);
    room?.take(target.length * 2);
    this.target = target;
  }

  get size(): number {
    return new TextEncoder().encode(this.target).length;
  }

  free(): void {
    if (this.links === 0) this.room?.take(-NODE_BYTES - this.target.length * 2);
  }
}

/** A folder. */
export class FolderNode extends AnyNode {
  readonly type = FILE_TYPE.folder;
  readonly size = 0;
  readonly #entries: Map<string, Node>;
  /** The folder that it is in; itself for a root. */
  parent: FolderNode = this;

  constructor(room: Room | undefined, like?: FolderNode) {
    super(room, like?.number);
    this.#entries = new Map(like?.entries());
  }

  /** This folder with `folder` in it under `name`, for one invocation. */
  withMount(name: string, folder: FolderNode): FolderNode {
    const mounted = new FolderNode(this.room, this);
    mounted.#entries.set(name, folder);
    folder.parent = mounted;
    // One that many invocations have is in one folder for each of them.
    folder.links = 1;
    return mounted;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  get(name: string): Node | undefined {
    return this.#entries.get(name);
  }

  entries(): IterableIterator<[string, Node]> {
    return this.#entries.entries();
  }

  /** Puts a node in under a name that is free. @throws {Refusal} when there is no room */
  add(name: string, node: Node): void {
    this.room?.take(name.length * 2);
    this.#entries.set(name, node);
    node.links += 1;
    if (node.type === FILE_TYPE.folder) node.parent = this;
    if (this.room !== undefined) this.touch();
  }

  /** @throws {Refusal} when there is no room for this name */
  checkRoom(name: string): void {
    this.room?.take(name.length * 2);
    this.room?.take(-name.length * 2);
  }

  /** Nothing can be put into a folder that is gone, though somebody may have it open. */
  override writable(): Room {
    const room = super.writable();
    return this.links === 0 ? refuse("noent") : room;
  }

  /** Takes out what is there under this name. */
  remove(name: string): void {
    const node = this.#entries.get(name);
    if (node === undefined) return;
    this.#entries.delete(name);
    this.room?.take(-name.length * 2);
    this.touch();
    node.links -= 1;
    node.changed = this.changed;
    node.free();
  }

  free(): void {
    if (this.links === 0) this.room?.take(-NODE_BYTES);
  }

  /** Whether `folder` is this one, or somewhere in it. */
  holds(folder: FolderNode): boolean {
    for (let at = folder; ; at = at.parent) {
      if (at === this) return true;
      if (at.parent === at) return false;
    }
  }
}

/** What a name stands for. */
export type Node = FileNode | FolderNode | LinkNode;
