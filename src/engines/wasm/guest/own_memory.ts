/**
 * Has a module import the memory that it would make itself. An instance that makes its memory costs twenty times what one
 * costs that is given one which was used before and set to zero (`memories.ts`). The module notices nothing: its memory
 * begins with the same size and the same contents, and is exported under the same name.
 */
import { HEADER_BYTES, KIND, type MemoryBounds, Reader } from "./sections.ts";

/** Where such a module imports its memory from: no module of anybody else's names this. */
export const OWN_MEMORY = { module: "isopod:own", name: "memory" } as const;

const SECTION = { custom: 0, type: 1, import: 2, memory: 5 } as const;
const encoder = new TextEncoder();

/** The module `bytes`, whose only memory is its own and has these bounds, with that memory as an import. */
export function withMemoryAsImport(bytes: Uint8Array, bounds: MemoryBounds): Uint8Array<ArrayBuffer> {
  const entry = importEntry(bounds);
  const parts: Uint8Array[] = [bytes.subarray(0, HEADER_BYTES)];
  const reader = new Reader(bytes, HEADER_BYTES);
  let isImported = false;
  while (!reader.isAtEnd) {
    const start = reader.at;
    const id = reader.byte();
    const size = reader.number();
    const end = reader.at + size;
    if (id === SECTION.import) {
      const count = reader.number();
      parts.push(section([...leb(count + 1)], bytes.subarray(reader.at, end), entry));
      isImported = true;
    } else {
      if (!isImported && id !== SECTION.custom && id !== SECTION.type) {
        parts.push(section([1], entry));
        isImported = true;
      }
      if (id !== SECTION.memory) parts.push(bytes.subarray(start, end));
    }
    reader.at = end;
  }
  return Bun.concatArrayBuffers(parts, Number.POSITIVE_INFINITY, true) as Uint8Array<ArrayBuffer>;
}

function importEntry({ initialPages, maximumPages }: MemoryBounds): Uint8Array {
  const limits =
    maximumPages === undefined ? [0, ...leb(initialPages)] : [1, ...leb(initialPages), ...leb(maximumPages)];
  return new Uint8Array([...text(OWN_MEMORY.module), ...text(OWN_MEMORY.name), KIND.memory, ...limits]);
}

function section(count: readonly number[], ...entries: readonly Uint8Array[]): Uint8Array {
  let size = count.length;
  for (const { length } of entries) size += length;
  const head = new Uint8Array([SECTION.import, ...leb(size), ...count]);
  return Bun.concatArrayBuffers([head, ...entries], Number.POSITIVE_INFINITY, true);
}

function text(of: string): number[] {
  return [...leb(of.length), ...encoder.encode(of)];
}

function leb(of: number): number[] {
  const bytes: number[] = [];
  for (let rest = of; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}
