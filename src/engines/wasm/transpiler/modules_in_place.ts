/**
 * Puts jco's own core modules where it looks for them: it fetches them as it is imported, and there is neither a network
 * nor a file to read. `guest_code.ts` writes them in front of the program.
 */

declare const JCO_MODULES: Readonly<Record<string, string>>;

const native = globalThis.fetch;

const fromProgram = async (address: unknown): Promise<Response> => {
  const name = String(address).split("/").at(-1) ?? "";
  const headers = { "content-type": "application/wasm" };
  return new Response(Uint8Array.fromBase64(JCO_MODULES[name] ?? ""), { headers });
};

globalThis.fetch = Object.assign(fromProgram, { preconnect: native.preconnect });
