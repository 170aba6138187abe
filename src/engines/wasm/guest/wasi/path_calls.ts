/** Calls by path. Their names are WASI's. */
import type { Word } from "../guest_memory.ts";
import { setTimes } from "./descriptor_calls.ts";
import { BucketFile } from "./files/bucket.ts";
import { OpenFile, OpenFolder } from "./files/descriptors.ts";
import { FileNode, FolderNode, LinkNode } from "./files/nodes.ts";
import { existing, freeName, type Place, resolve } from "./files/paths.ts";
import { FILE_TYPE, FLAG, FOLLOW, OPEN, RIGHT, refuse } from "./numbers.ts";
import type { WasiSystem } from "./system.ts";

/** The calls. */
export class PathCalls {
  readonly #system: WasiSystem;

  constructor(system: WasiSystem) {
    this.#system = system;
  }

  /**
   * Whether it can be read and written is what is asked for. All else is what its folder may pass on, as it is with the
   * hosts that programs are written for: Go asks for too little, and C's library for everything.
   */
  path_open(
    fd: number,
    lookup: number,
    at: Word,
    size: Word,
    how: number,
    rights: bigint,
    _inheriting: bigint,
    flags: number,
    opened: Word,
  ): void {
    const creates = (how & OPEN.create) !== 0;
    const truncates = (how & OPEN.truncate) !== 0;
    const needed = (creates ? RIGHT.path_create_file : 0) | (truncates ? RIGHT.path_filestat_set_size : 0);
    const parent = this.#system.descriptors.folder(fd, RIGHT.path_open | needed);
    if ((flags & ~FLAG.all) !== 0 || (creates && (how & OPEN.folder) !== 0)) refuse("inval");
    const isExclusive = creates && (how & OPEN.exclusive) !== 0;
    const place = resolve(parent.node, this.#system.memory.path(at, size), (lookup & FOLLOW) !== 0 && !isExclusive);
    if (isExclusive && place.node !== undefined) refuse("exist");
    const node = place.node === undefined && creates ? created(place) : existing(place);
    if (node.type === FILE_TYPE.link) return refuse((how & OPEN.folder) === 0 ? "loop" : "notdir");
    const isFolder = node.type === FILE_TYPE.folder;
    if (!isFolder && (how & OPEN.folder) !== 0) refuse("notdir");
    const asked = Number(BigInt.asUintN(30, rights)) & (RIGHT.fd_read | RIGHT.fd_write);
    const writes = (asked & RIGHT.fd_write) !== 0;
    if (isFolder && (writes || truncates || creates)) refuse("isdir");
    if (writes || truncates) node.writable();
    if (truncates && node instanceof FileNode) node.resize(0);
    if (node instanceof BucketFile) node.need();
    const { inheriting } = parent;
    if (!isFolder && (asked & ~inheriting) !== 0) refuse("notcapable");
    const open =
      node instanceof FileNode
        ? new OpenFile(node, asked | (inheriting & ~(RIGHT.fd_read | RIGHT.fd_write)))
        : new OpenFolder(node, inheriting, inheriting);
    open.flags = flags;
    this.#system.memory.put32(opened, this.#system.descriptors.add(open));
  }

  path_create_directory(fd: number, at: Word, size: Word): void {
    const place = this.#place(fd, RIGHT.path_create_directory, 0, at, size);
    const name = freeName(place, true);
    place.folder.add(name, new FolderNode(place.folder.writable()));
  }

  path_remove_directory(fd: number, at: Word, size: Word): void {
    const place = this.#place(fd, RIGHT.path_remove_directory, 0, at, size);
    const node = existing(place);
    if (place.name === undefined) return refuse("inval");
    if (!(node instanceof FolderNode)) return refuse("notdir");
    place.folder.writable();
    if (!node.isEmpty) refuse("notempty");
    place.folder.remove(place.name);
  }

  path_unlink_file(fd: number, at: Word, size: Word): void {
    const place = this.#place(fd, RIGHT.path_unlink_file, 0, at, size);
    const node = existing(place);
    if (place.name === undefined || node.type === FILE_TYPE.folder) return refuse("isdir");
    place.folder.writable();
    place.folder.remove(place.name);
  }

  path_filestat_get(fd: number, lookup: number, path: Word, size: Word, at: Word): void {
    const place = this.#place(fd, RIGHT.path_filestat_get, lookup, path, size);
    this.#system.memory.putFileStat(at, existing(place));
  }

  path_filestat_set_times(
    fd: number,
    lookup: number,
    path: Word,
    size: Word,
    accessed: bigint,
    modified: bigint,
    which: number,
  ): void {
    const place = this.#place(fd, RIGHT.path_filestat_set_times, lookup, path, size);
    setTimes(existing(place), accessed, modified, which);
  }

  path_link(from: number, lookup: number, at: Word, size: Word, to: number, newAt: Word, newSize: Word): void {
    // As kernels have it, too: what is linked is the link itself.
    if ((lookup & FOLLOW) !== 0) refuse("inval");
    const node = existing(this.#place(from, RIGHT.path_link_source, 0, at, size));
    const place = this.#place(to, RIGHT.path_link_target, 0, newAt, newSize);
    const name = freeName(place, false);
    if (node.type === FILE_TYPE.folder) refuse("perm");
    if (node.room !== place.folder.writable()) refuse("xdev");
    place.folder.add(name, node);
    node.changed = place.folder.changed;
  }

  path_symlink(textAt: Word, textSize: Word, fd: number, at: Word, size: Word): void {
    const target = this.#system.memory.path(textAt, textSize);
    if (target === "") refuse("noent");
    const place = this.#place(fd, RIGHT.path_symlink, 0, at, size);
    const name = freeName(place, false);
    if (target.startsWith("/")) refuse("notcapable");
    place.folder.add(name, new LinkNode(place.folder.writable(), target));
  }

  path_readlink(fd: number, at: Word, size: Word, target: Word, targetSize: Word, used: Word): void {
    const node = existing(this.#place(fd, RIGHT.path_readlink, 0, at, size));
    if (!(node instanceof LinkNode)) return refuse("inval");
    const room = this.#system.memory.bytes("path_readlink", target, targetSize);
    const text = new TextEncoder().encode(node.target).subarray(0, room.length);
    room.set(text);
    this.#system.memory.put32(used, text.length);
  }

  path_rename(from: number, at: Word, size: Word, to: number, newAt: Word, newSize: Word): void {
    const source = this.#place(from, RIGHT.path_rename_source, 0, at, size);
    const target = this.#place(to, RIGHT.path_rename_target, 0, newAt, newSize);
    const node = existing(source);
    if (source.name === undefined || target.name === undefined) return refuse("inval");
    source.folder.writable();
    if (target.folder.writable() !== source.folder.room) refuse("xdev");
    if (target.node === node) return;
    checkReplacement(node, target);
    // Nothing is lost where there is no room for the new name.
    target.folder.checkRoom(target.name);
    if (target.node !== undefined) target.folder.remove(target.name);
    target.folder.add(target.name, node);
    source.folder.remove(source.name);
  }

  #place(fd: number, right: number, lookup: number, at: Word, size: Word): Place {
    const { node } = this.#system.descriptors.folder(fd, right);
    return resolve(node, this.#system.memory.path(at, size), (lookup & FOLLOW) !== 0);
  }
}

/** A new file there. @throws {Refusal} */
function created(place: Place): FileNode {
  if (place.wantsFolder) refuse("isdir");
  const name = freeName(place, false);
  const node = new FileNode(place.folder.writable());
  place.folder.add(name, node);
  return node;
}

/** @throws {Refusal} when `node` cannot take the place of what is there */
function checkReplacement(node: FileNode | FolderNode | LinkNode, { folder, node: there, wantsFolder }: Place): void {
  if (node instanceof FolderNode) {
    if (node.holds(folder)) refuse("inval");
    if (there === undefined) return;
    if (!(there instanceof FolderNode)) refuse("notdir");
    else if (!there.isEmpty) refuse("notempty");
    return;
  }
  if (wantsFolder) refuse("notdir");
  if (there?.type === FILE_TYPE.folder) refuse("isdir");
}
