/** The memory of a command, as WASI's structures lie in it. */
import { AbiFault, type GuestMemory, type Word } from "../guest_memory.ts";
import type { Open } from "./files/descriptors.ts";
import type { Node } from "./files/nodes.ts";
import { pathText } from "./files/paths.ts";

const VECTORS_MAX = 1024;
const FILESTAT_BYTES = 64;
const FDSTAT_BYTES = 24;
/** All nodes are of one device. */
const DEVICE = 1n;

/** The memory. */
export class WasiMemory {
  readonly #owner: { readonly memory: GuestMemory };

  constructor(owner: { readonly memory: GuestMemory }) {
    this.#owner = owner;
  }

  /** The bytes there, until the module runs on. @throws {AbiFault} */
  bytes(action: string, at: Word, size: Word): Uint8Array {
    return this.#owner.memory.view(action, at, Number(size) >>> 0);
  }

  /** The same for single numbers. @throws {AbiFault} */
  view(at: Word, size: number): DataView {
    return new DataView(this.#owner.memory.view("WASI", at, size).buffer, Number(at) >>> 0, size);
  }

  /** Puts a number of 32 bits. @throws {AbiFault} */
  put32(at: Word, value: number): void {
    this.view(at, 4).setUint32(0, value, true);
  }

  /** Puts a number of 64 bits. @throws {AbiFault} */
  put64(at: Word, value: bigint): void {
    this.view(at, 8).setBigUint64(0, value, true);
  }

  /** A path. @throws {AbiFault} @throws {Refusal} when it is none */
  path(at: Word, size: Word): string {
    return pathText(this.bytes("WASI", at, size));
  }

  /** The pieces of memory that a list of vectors names. @throws {AbiFault} */
  *vectors(action: string, at: Word, count: number): Generator<Uint8Array> {
    if (count < 0 || count > VECTORS_MAX) throw new AbiFault(`${action}: ${count} vectors, over ${VECTORS_MAX}`);
    const vectors = this.view(at, count * 8);
    for (let offset = 0; offset < count * 8; offset += 8) {
      yield this.bytes(action, vectors.getUint32(offset, true), vectors.getUint32(offset + 4, true));
    }
  }

  /** Puts the number of texts, and the bytes that all of them take. @throws {AbiFault} */
  putSizes(texts: readonly Uint8Array[], count: Word, size: Word): void {
    let bytes = 0;
    for (const { length } of texts) bytes += length;
    this.put32(count, texts.length);
    this.put32(size, bytes);
  }

  /** Puts texts one behind the other, and a pointer to each. @throws {AbiFault} */
  putTexts(texts: readonly Uint8Array[], pointers: Word, at: Word): void {
    const list = this.view(pointers, texts.length * 4);
    let next = Number(at) >>> 0;
    for (const [index, text] of texts.entries()) {
      this.bytes("WASI", next, text.length).set(text);
      list.setUint32(index * 4, next, true);
      next += text.length;
    }
  }

  /** Puts what is known of a node, or of a stream where there is none. @throws {AbiFault} */
  putFileStat(at: Word, node: Node | undefined): void {
    const stat = this.view(at, FILESTAT_BYTES);
    for (let offset = 0; offset < FILESTAT_BYTES; offset += 8) stat.setBigUint64(offset, 0n, true);
    if (node === undefined) return;
    stat.setBigUint64(0, DEVICE, true);
    stat.setBigUint64(8, node.number, true);
    stat.setUint8(16, node.type);
    stat.setBigUint64(24, BigInt(Math.max(node.links, 1)), true);
    stat.setBigUint64(32, BigInt(node.size), true);
    stat.setBigUint64(40, node.accessed, true);
    stat.setBigUint64(48, node.modified, true);
    stat.setBigUint64(56, node.changed, true);
  }

  /** Puts what is known of a descriptor. @throws {AbiFault} */
  putDescriptorStat(at: Word, open: Open): void {
    const stat = this.view(at, FDSTAT_BYTES);
    for (let offset = 0; offset < FDSTAT_BYTES; offset += 8) stat.setBigUint64(offset, 0n, true);
    stat.setUint8(0, open.type);
    stat.setUint16(2, open.flags, true);
    stat.setUint32(8, open.rights, true);
    stat.setUint32(16, open.inheriting, true);
  }
}
