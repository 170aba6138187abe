/**
 * Reads what WebAssembly's JavaScript API does not tell of a module: the memories that it imports or has, and their
 * bounds. Runs inside the sandbox, on a module that the engine has validated before.
 */

/** The bounds of a memory, in pages of 64 KiB. */
export interface MemoryBounds {
  readonly initialPages: number;
  /** Undefined when the module sets none. */
  readonly maximumPages: number | undefined;
  readonly isShared: boolean;
  readonly is64: boolean;
}

/** The memories of a module. */
export interface ModuleMemories {
  /** By `module.name`. */
  readonly imported: ReadonlyMap<string, MemoryBounds>;
  readonly own: readonly MemoryBounds[];
}

/** In front of the sections. */
export const HEADER_BYTES = 8;
const SECTION = { import: 2, memory: 5 } as const;
/** What can be imported and exported. */
export const KIND = { function: 0, table: 1, memory: 2, global: 3, tag: 4 } as const;

/** The memories of the module `bytes`. @throws {RangeError} when it cannot be read, as an invalid one cannot */
export function memoriesOf(bytes: Uint8Array): ModuleMemories {
  const imported = new Map<string, MemoryBounds>();
  const own: MemoryBounds[] = [];
  const reader = new Reader(bytes, HEADER_BYTES);
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const size = reader.number();
    const next = reader.at + size;
    if (id === SECTION.import) readImports(reader, imported);
    if (id === SECTION.memory) for (let count = reader.number(); count > 0; count -= 1) own.push(reader.memory());
    reader.at = next;
  }
  return { imported, own };
}

function readImports(reader: Reader, imported: Map<string, MemoryBounds>): void {
  for (let count = reader.number(); count > 0; count -= 1) {
    const name = `${reader.text()}.${reader.text()}`;
    const kind = reader.byte();
    if (kind === KIND.memory) imported.set(name, reader.memory());
    else if (kind === KIND.function) reader.number();
    else reader.other(kind);
  }
}

/** Reads the parts of a module one by one. @throws {RangeError} at its end */
export class Reader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.at];
    if (byte === undefined) throw new RangeError("Cannot read the module: it ends within a section");
    this.at += 1;
    return byte;
  }

  /** An unsigned LEB128 of at most 64 bits. */
  number(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  }

  text(): string {
    const length = this.number();
    const text = new TextDecoder().decode(this.#bytes.subarray(this.at, this.at + length));
    this.at += length;
    return text;
  }

  memory(): MemoryBounds {
    const flags = this.byte();
    const initialPages = this.number();
    const maximumPages = (flags & 1) !== 0 ? this.number() : undefined;
    return { initialPages, maximumPages, isShared: (flags & 2) !== 0, is64: (flags & 4) !== 0 };
  }

  /** Passes over what is imported and is neither function nor memory. */
  other(kind: number): void {
    if (kind === KIND.tag) {
      this.byte();
      this.number();
      return;
    }
    this.valueType();
    if (kind === KIND.table) this.memory();
    else this.byte();
  }

  /** The form of a type. One of references may be of two parts: its form, and the type that it refers to. */
  valueType(): number {
    const form = this.byte();
    if (form === 0x63 || form === 0x64) this.number();
    return form;
  }
}
