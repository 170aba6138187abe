// The checksum of what is sent, by a module of WebAssembly that the script imports:
//   curl localhost:8080/checksum -d Wikipedia      (path = "./wasm/imported/checksum.ts")
import adler32 from "./adler32.wasm";

interface Exports {
  readonly memory: WebAssembly.Memory;
  adler32(size: number): number;
}

export default {
  async fetch(request: Request): Promise<Response> {
    const bytes = await request.bytes();
    // The module is compiled once; an instance, with a memory of its own, takes some microseconds.
    const { memory, adler32: checksum } = new WebAssembly.Instance(adler32).exports as unknown as Exports;
    const missing = bytes.length - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65_536));
    new Uint8Array(memory.buffer).set(bytes);
    return new Response(`${(checksum(bytes.length) >>> 0).toString(16).padStart(8, "0")}\n`);
  },
};
