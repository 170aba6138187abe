/**
 * What the functions of a module take and give, which WebAssembly's JavaScript API does not tell. A signature is a text:
 * `iI>I` takes an i32 and an i64, and gives an i64.
 */
import { HEADER_BYTES, KIND, Reader } from "./sections.ts";

const SECTION = { type: 1, import: 2, function: 3, export: 7 } as const;
const FUNCTION_TYPE = 0x60;
const LETTERS = new Map([
  [0x7f, "i"],
  [0x7e, "I"],
  [0x7d, "f"],
  [0x7c, "F"],
]);
const NAMES: Readonly<Record<string, string>> = { i: "i32", I: "i64", f: "f32", F: "f64", r: "a reference" };

/** The signatures of a module's functions. */
export interface Signatures {
  /** In the order of the imports. */
  readonly imported: readonly { readonly module: string; readonly name: string; readonly signature: string }[];
  readonly exported: ReadonlyMap<string, string>;
}

/** The signatures; undefined for a module with types that are no functions, which say it in another way. */
export function signaturesOf(bytes: Uint8Array): Signatures | undefined {
  const types: string[] = [];
  const functions: string[] = [];
  const imported: { module: string; name: string; signature: string }[] = [];
  const exported = new Map<string, string>();
  const reader = new Reader(bytes, HEADER_BYTES);
  while (!reader.isAtEnd) {
    const id = reader.byte();
    const size = reader.number();
    const next = reader.at + size;
    const isRead = id === SECTION.type || id === SECTION.import || id === SECTION.function || id === SECTION.export;
    for (let count = isRead ? reader.number() : 0; count > 0; count -= 1) {
      if (id === SECTION.type) {
        if (reader.byte() !== FUNCTION_TYPE) return undefined;
        types.push(`${lettersIn(reader)}>${lettersIn(reader)}`);
      } else if (id === SECTION.function) {
        functions.push(types[reader.number()] ?? "");
      } else if (id === SECTION.import) {
        const [module, name, kind] = [reader.text(), reader.text(), reader.byte()];
        const signature = kind === KIND.function ? types[reader.number()] : undefined;
        if (signature !== undefined) {
          functions.push(signature);
          imported.push({ module, name, signature });
        } else if (kind === KIND.memory) reader.memory();
        else reader.other(kind);
      } else {
        const [name, kind, index] = [reader.text(), reader.byte(), reader.number()];
        if (kind === KIND.function) exported.set(name, functions[index] ?? "");
      }
    }
    reader.at = next;
  }
  return { imported, exported };
}

/** A signature in words. */
export function signatureText(signature: string): string {
  const [taken = "", given = ""] = signature
    .split(">")
    .map((letters) => [...letters].map((each) => NAMES[each]).join(", "));
  return given === "" ? `(${taken})` : `(${taken}) -> ${given}`;
}

function lettersIn(reader: Reader): string {
  let letters = "";
  for (let count = reader.number(); count > 0; count -= 1) letters += LETTERS.get(reader.valueType()) ?? "r";
  return letters;
}
