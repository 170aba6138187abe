/** Calls about what is open: what it is, what it may be used for, what is in it. Their names are WASI's. */
import type { Word } from "../guest_memory.ts";
import { OpenFolder, OpenStream } from "./files/descriptors.ts";
import { now } from "./files/node.ts";
import type { Node } from "./files/nodes.ts";
import { FLAG, RIGHT, refuse, TIMES } from "./numbers.ts";
import type { WasiSystem } from "./system.ts";

const DIRENT_BYTES = 24;

const encoder = new TextEncoder();

/** The calls. */
export class DescriptorCalls {
  readonly #system: WasiSystem;

  constructor(system: WasiSystem) {
    this.#system = system;
  }

  fd_close(fd: number): void {
    this.#system.descriptors.close(fd);
  }

  fd_renumber(from: number, to: number): void {
    this.#system.descriptors.move(from, to);
  }

  fd_sync(fd: number): void {
    this.#system.descriptors.get(fd).need(RIGHT.fd_sync);
  }

  fd_datasync(fd: number): void {
    const open = this.#system.descriptors.get(fd);
    if ((open.rights & RIGHT.fd_sync) === 0) open.need(RIGHT.fd_datasync);
  }

  fd_fdstat_get(fd: number, at: Word): void {
    this.#system.memory.putDescriptorStat(at, this.#system.descriptors.get(fd));
  }

  fd_fdstat_set_flags(fd: number, flags: number): void {
    const open = this.#system.descriptors.get(fd).need(RIGHT.fd_fdstat_set_flags);
    if ((flags & ~FLAG.all) !== 0) refuse("inval");
    open.flags = flags;
  }

  fd_fdstat_set_rights(fd: number, rights: bigint, inheriting: bigint): void {
    const open = this.#system.descriptors.get(fd);
    if ((rights & ~BigInt(open.rights)) !== 0n || (inheriting & ~BigInt(open.inheriting)) !== 0n) refuse("notcapable");
    open.rights = Number(rights);
    open.inheriting = Number(inheriting);
  }

  fd_filestat_get(fd: number, at: Word): void {
    const open = this.#system.descriptors.get(fd).need(RIGHT.fd_filestat_get);
    this.#system.memory.putFileStat(at, open instanceof OpenStream ? undefined : open.node);
  }

  fd_filestat_set_times(fd: number, accessed: bigint, modified: bigint, which: number): void {
    const open = this.#system.descriptors.get(fd).need(RIGHT.fd_filestat_set_times);
    if (open instanceof OpenStream) return refuse("inval");
    setTimes(open.node, accessed, modified, which);
  }

  fd_prestat_get(fd: number, at: Word): void {
    const stat = this.#system.memory.view(at, 8);
    stat.setUint32(0, 0, true);
    stat.setUint32(4, this.#nameOf(fd).length, true);
  }

  fd_prestat_dir_name(fd: number, at: Word, size: Word): void {
    const name = this.#nameOf(fd);
    const room = this.#system.memory.bytes("fd_prestat_dir_name", at, size);
    if (room.length < name.length) refuse("nametoolong");
    room.set(name);
  }

  /** A listing is of the moment at which it begins, so that nobody misses an entry who removes others meanwhile. */
  fd_readdir(fd: number, at: Word, size: Word, cookie: bigint, used: Word): void {
    const open = this.#system.descriptors.folder(fd, RIGHT.fd_readdir);
    if (cookie === 0n || open.listing === undefined) {
      open.listing = [[".", open.node], ["..", open.node.parent], ...open.node.entries()];
    }
    const { listing } = open;
    const target = this.#system.memory.bytes("fd_readdir", at, size);
    const entry = new DataView(new ArrayBuffer(DIRENT_BYTES));
    let filled = 0;
    const put = (bytes: Uint8Array) => {
      const part = bytes.subarray(0, target.length - filled);
      target.set(part, filled);
      filled += part.length;
    };
    const first = Number(BigInt.asUintN(64, cookie));
    for (let index = first; index < listing.length && filled < target.length; index += 1) {
      const [text, node] = listing[index] as (typeof listing)[number];
      const name = encoder.encode(text);
      entry.setBigUint64(0, BigInt(index + 1), true);
      entry.setBigUint64(8, node.number, true);
      entry.setUint32(16, name.length, true);
      entry.setUint32(20, node.type, true);
      put(new Uint8Array(entry.buffer));
      put(name);
    }
    this.#system.memory.put32(used, filled);
  }

  sock_accept(fd: number): void {
    this.#noSocket(fd);
  }

  sock_recv(fd: number): void {
    this.#noSocket(fd);
  }

  sock_send(fd: number): void {
    this.#noSocket(fd);
  }

  sock_shutdown(fd: number): void {
    this.#noSocket(fd);
  }

  #noSocket(fd: number): never {
    this.#system.descriptors.get(fd);
    return refuse("notsock");
  }

  #nameOf(fd: number): Uint8Array {
    const open = this.#system.descriptors.get(fd);
    const name = open instanceof OpenFolder ? open.name : undefined;
    return encoder.encode(name ?? refuse("badf"));
  }
}

/** Sets the times of a node. @throws {Refusal} */
export function setTimes(node: Node, accessed: bigint, modified: bigint, which: number): void {
  const both = (one: number, other: number) => (which & one) !== 0 && (which & other) !== 0;
  if ((which & ~TIMES.all) !== 0 || both(TIMES.accessed, TIMES.accessedNow) || both(TIMES.modified, TIMES.modifiedNow))
    refuse("inval");
  node.writable();
  const time = now();
  if ((which & TIMES.accessed) !== 0) node.accessed = BigInt.asUintN(64, accessed);
  if ((which & TIMES.accessedNow) !== 0) node.accessed = time;
  if ((which & TIMES.modified) !== 0) node.modified = BigInt.asUintN(64, modified);
  if ((which & TIMES.modifiedNow) !== 0) node.modified = time;
  node.changed = time;
}
