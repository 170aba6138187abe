/** Calls on the data of what is open. Their names are WASI's. */
import type { Word } from "../guest_memory.ts";
import { OpenFile, OpenFolder, OpenStream } from "./files/descriptors.ts";
import { FLAG, RIGHT, refuse, WHENCE } from "./numbers.ts";
import type { WasiSystem } from "./system.ts";

const OFFSET_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const ADVICE_MAX = 5;

/** The calls. */
export class DataCalls {
  readonly #system: WasiSystem;

  constructor(system: WasiSystem) {
    this.#system = system;
  }

  fd_read(fd: number, vectors: Word, count: number, read: Word): void {
    const open = this.#system.descriptors.get(fd);
    if (open instanceof OpenFolder) return refuse("isdir");
    open.need(RIGHT.fd_read);
    const { memory } = this.#system;
    let total = 0;
    for (const bytes of memory.vectors("fd_read", vectors, count)) {
      const got = open instanceof OpenStream ? this.#system.read(bytes) : open.node.read(bytes, open.offset);
      if (open instanceof OpenFile) open.offset += got;
      total += got;
      if (got < bytes.length) break;
    }
    memory.put32(read, total);
  }

  fd_write(fd: number, vectors: Word, count: number, written: Word): void {
    const open = this.#system.descriptors.get(fd);
    if (open instanceof OpenFolder) return refuse("isdir");
    open.need(RIGHT.fd_write);
    const { memory } = this.#system;
    let total = 0;
    if (open instanceof OpenFile && (open.flags & FLAG.append) !== 0) open.offset = open.node.size;
    for (const bytes of memory.vectors("fd_write", vectors, count)) {
      if (open instanceof OpenStream) this.#system.write(open.stream, bytes);
      else open.node.write(bytes, open.offset);
      if (open instanceof OpenFile) open.offset += bytes.length;
      total += bytes.length;
    }
    memory.put32(written, total);
  }

  fd_pread(fd: number, vectors: Word, count: number, offset: bigint, read: Word): void {
    const { node } = this.#system.descriptors.file(fd, RIGHT.fd_read).need(RIGHT.fd_seek);
    let at = offsetOf(offset);
    const start = at;
    for (const bytes of this.#system.memory.vectors("fd_pread", vectors, count)) at += node.read(bytes, at);
    this.#system.memory.put32(read, at - start);
  }

  fd_pwrite(fd: number, vectors: Word, count: number, offset: bigint, written: Word): void {
    const { node } = this.#system.descriptors.file(fd, RIGHT.fd_write).need(RIGHT.fd_seek);
    let at = offsetOf(offset);
    const start = at;
    for (const bytes of this.#system.memory.vectors("fd_pwrite", vectors, count)) {
      node.write(bytes, at);
      at += bytes.length;
    }
    this.#system.memory.put32(written, at - start);
  }

  fd_seek(fd: number, delta: bigint, whence: number, at: Word): void {
    const isTell = whence === WHENCE.current && delta === 0n;
    const open = this.#system.descriptors.file(fd, 0);
    if (!isTell || (open.rights & RIGHT.fd_tell) === 0) open.need(RIGHT.fd_seek);
    const { node, offset } = open;
    if (whence < WHENCE.start || whence > WHENCE.end) refuse("inval");
    const from = whence === WHENCE.start ? 0 : whence === WHENCE.current ? offset : node.size;
    const target = BigInt(from) + delta;
    if (target < 0n || target > OFFSET_MAX) refuse("inval");
    open.offset = Number(target);
    this.#system.memory.put64(at, target);
  }

  fd_tell(fd: number, at: Word): void {
    const open = this.#system.descriptors.file(fd, 0);
    if ((open.rights & RIGHT.fd_seek) === 0) open.need(RIGHT.fd_tell);
    this.#system.memory.put64(at, BigInt(open.offset));
  }

  fd_advise(fd: number, _offset: bigint, _size: bigint, advice: number): void {
    this.#system.descriptors.file(fd, RIGHT.fd_advise);
    if (advice < 0 || advice > ADVICE_MAX) refuse("inval");
  }

  fd_allocate(fd: number, offset: bigint, size: bigint): void {
    const { node } = this.#system.descriptors.file(fd, RIGHT.fd_allocate).need(RIGHT.fd_write);
    node.writable();
    if (size <= 0n) refuse("inval");
    const end = offsetOf(offset) + offsetOf(size);
    if (end > node.size) node.resize(end);
  }

  fd_filestat_set_size(fd: number, size: bigint): void {
    const { node } = this.#system.descriptors.file(fd, RIGHT.fd_filestat_set_size).need(RIGHT.fd_write);
    node.resize(offsetOf(size));
  }
}

/** An offset or a size, as a number. @throws {Refusal} when it is larger than any file */
function offsetOf(value: bigint): number {
  const offset = BigInt.asUintN(64, value);
  return offset > OFFSET_MAX ? refuse("inval") : Number(offset);
}
