/** Modules of WebAssembly for tests, from their text. */
import wabt from "wabt";

let loading: ReturnType<typeof wabt> | undefined;

/** The module that `text` is. @throws {Error} with the assembler's words */
export async function compileWat(text: string, name = "test.wat"): Promise<Uint8Array> {
  loading ??= wabt();
  const { parseWat } = await loading;
  const module = parseWat(name, text, { exceptions: true, bulk_memory: true, threads: true, memory64: true });
  try {
    return Uint8Array.from(module.toBinary({ write_debug_names: true }).buffer);
  } finally {
    module.destroy();
  }
}
