/** Zips for tests: right ones, and those that a zip must not be. */
import { deflateRawSync } from "node:zlib";

/** A file of a zip; what is not said is as it should be. */
export interface ZipPart {
  readonly name: string;
  readonly content: string | Uint8Array;
  /** The mode of Unix, with the kind of file. */
  readonly mode?: number;
  /** What its size is said to be. */
  readonly saidBytes?: number;
  readonly saidCrc?: number;
  /** Bit 0: encrypted. */
  readonly flags?: number;
  readonly stored?: boolean;
}

const REGULAR_FILE = 0o100644;
const UTF8_NAMES = 0x800;

/** The bytes of a zip (APPNOTE 6.3.9, without what is over 4 GiB). */
export function makeZip(parts: readonly ZipPart[]): Uint8Array {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const part of parts) {
    const { name, content, mode = REGULAR_FILE, flags = 0, stored = false } = part;
    const bytes = Buffer.from(content);
    const data = stored ? bytes : deflateRawSync(bytes);
    const head = Buffer.alloc(26);
    head.writeUInt16LE(20, 0);
    head.writeUInt16LE(flags | UTF8_NAMES, 2);
    head.writeUInt16LE(stored ? 0 : 8, 4);
    head.writeUInt32LE((part.saidCrc ?? Bun.hash.crc32(bytes)) >>> 0, 10);
    head.writeUInt32LE(data.length, 14);
    head.writeUInt32LE(part.saidBytes ?? bytes.length, 18);
    head.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from("PK\x03\x04"), head, Buffer.from(name), data]);
    const made = Buffer.from([30, 3]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    centrals.push(Buffer.concat([Buffer.from("PK\x01\x02"), made, head, tail, Buffer.from(name)]));
    locals.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(centrals);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(parts.length, 4);
  end.writeUInt16LE(parts.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, central, Buffer.from("PK\x05\x06"), end]);
}

/** A zip of files by their names. */
export function zipOf(files: Readonly<Record<string, string>>): Uint8Array {
  return makeZip(Object.entries(files).map(([name, content]) => ({ name, content })));
}
