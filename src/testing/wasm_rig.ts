/** A server whose functions are modules given as text, and programs that are sent as modules. */
import { startTestServer, type TestServer } from "./server.ts";
import { compileWat } from "./wat.ts";

/** Fills more and more memory, for ever. */
export const FILLS_MEMORY = `(local $at i32)
  (loop $l
    (if (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0))
      (then (memory.fill (local.get $at) (i32.const 1) (i32.const 1048576))))
    (local.set $at (i32.and (i32.add (local.get $at) (i32.const 1048576)) (i32.const 0x3ffffff)))
    (br $l))`;

/** A function of a test: its module, and what stands in its table beside name, path and route. */
export interface WasmFunction {
  readonly wat?: string;
  readonly wasm?: Uint8Array;
  readonly toml?: string;
}

/** A server for modules. */
export interface WasmServer extends TestServer {
  /** Asks the function. */
  ask(name: string, init?: RequestInit & { readonly path?: string }): Promise<Response>;
  /** Sends a module to `/run`. */
  runModule(wat: string, init?: RequestInit): Promise<Response>;
}

/** Starts a server with `functions`, each at `/NAME` and below. */
export async function startWasmServer(
  functions: Readonly<Record<string, WasmFunction>>,
  toml = "",
): Promise<WasmServer> {
  const files: Record<string, Uint8Array> = {};
  const tables: string[] = [];
  for (const [name, { wat, wasm, toml: own = "" }] of Object.entries(functions)) {
    files[`${name}.wasm`] = wasm ?? (await compileWat(wat ?? "(module)", `${name}.wat`));
    tables.push(
      `[[functions]]\nname = "${name}"\npath = "./${name}.wasm"\nroutes = ["ANY /${name}", "ANY /${name}/*"]\n${own}\n`,
    );
  }
  const server = await startTestServer({ files, config: `${toml}\n${tables.join("")}` });
  return Object.assign(server, {
    ask: (name: string, { path = "", ...init }: RequestInit & { readonly path?: string } = {}) =>
      fetch(`${server.url}/${name}${path}`, init),
    async runModule(wat: string, init: RequestInit = {}) {
      const headers = { "content-type": "application/wasm", ...(init.headers as Record<string, string>) };
      return fetch(`${server.url}/run`, { method: "POST", ...init, headers, body: await compileWat(wat) });
    },
  });
}

/** The text of a module of the `handle` ABI whose function is `body`, with every function of the ABI at hand. */
export function handleModule(body: string, { data = "", more = "", memory = "1" } = {}): string {
  return `(module
  (import "env" "memory" (memory ${memory}))
  (import "env" "log" (func $log (param i32 i64)))
  (import "env" "response_set_status_line" (func $status (param i32 i32 i64)))
  (import "env" "response_set_header" (func $header (param i32 i64 i32 i64)))
  (import "env" "response_set_body" (func $body (param i32 i64)))
  (import "env" "request_method" (func $method (param i32 i64) (result i64)))
  (import "env" "request_url" (func $url (param i32 i64) (result i64)))
  (import "env" "request_header" (func $request_header (param i32 i64 i32 i64) (result i64)))
  (import "env" "request_body" (func $request_body (param i32 i64) (result i64)))
  (import "env" "db_get" (func $db_get (param i32 i64 i32 i64) (result i64)))
  (import "env" "tcp_connect" (func $tcp_connect (param i32 i64) (result i32)))
  (import "env" "tcp_read" (func $tcp_read (param i32 i32 i64) (result i64)))
  (import "env" "tcp_write" (func $tcp_write (param i32 i32 i64) (result i64)))
  (data (i32.const 0) "${data}")
  ${more}
  (func (export "handle") ${body}))`;
}
