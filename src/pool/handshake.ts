/**
 * What host and guest tell each other once, before there is work: hello, by which the guest closes itself down, and
 * load, by which it gets its program.
 *
 * At most one frame of the guest's is awaited at a time; any other ends the instance.
 */
import { accountIdOf } from "../core/account.ts";
import type { Grants } from "../core/binding.ts";
import type { GuestProcess } from "../core/engine.ts";
import type { AnyProgram } from "../core/function.ts";
import type { GuestDeclaration } from "../core/guest.ts";
import type { WasmProgram } from "../core/wasm_program.ts";
import { type Deferred, deferred } from "../stdx/deferred.ts";
import type { Connection } from "../wire/connection.ts";
import { FRAME, type FrameType, WireError } from "../wire/frame.ts";
import { parseJson, parseReset } from "../wire/heads.ts";
import { encodeParcel, type HelloParcel, type LoadParcel } from "../wire/parcels.ts";
import type { WasmLoad } from "../wire/wasm_load.ts";
import { pageBytes, pageParts } from "./browser_load.ts";
import { errorFromGuest } from "./guest_error.ts";

const NO_BYTES = new Uint8Array(0);

/** What an instance is told to become. */
export interface InstanceLoad {
  readonly mode: LoadParcel["mode"];
  readonly program: AnyProgram;
  readonly env: Readonly<Record<string, string>>;
  readonly grants: Grants;
  /** Whose function or key it is. */
  readonly project: string;
  readonly fn?: { readonly name: string; readonly version: string } | undefined;
  /** The export that is the function. */
  readonly exportName?: string | undefined;
  /** What its instance may use, in bytes. */
  readonly memoryBytes?: number | undefined;
}

/** The host's side of it, for one instance. */
export class Handshake {
  readonly #connection: Connection;
  readonly #hello: Deferred<void> = deferred();
  readonly #loaded: Deferred<void> = deferred();
  /** The one frame of the connection's own that the guest has yet to send. */
  #awaited: FrameType | undefined;
  #loading = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The guest has been given a function and has not said that it is loaded. */
  get loading(): boolean {
    return this.#loading;
  }

  /** Says hello; resolves when the guest has closed itself down and says so. */
  hello({ seal, ...hello }: GuestProcess["hello"]): Promise<void> {
    this.#awaited = FRAME.hello;
    this.#connection.sendBytes(FRAME.hello, 0, encodeParcel(hello satisfies HelloParcel, seal));
    this.#connection.flush();
    return this.#hello.promise;
  }

  /** Hands the program over. A function's promise waits until it is evaluated; a program's does not wait. */
  load(load: InstanceLoad, bindings: readonly GuestDeclaration[]): Promise<void> {
    const { mode, env, fn, exportName, program, memoryBytes } = load;
    const { name } = program;
    const parcel: LoadParcel = {
      ...{ name, mode, env, ...ownOf(program) },
      ...(program.kind === "process" && { account: accountIdOf(load.project) }),
      ...(fn && { fn }),
      ...(exportName && { exportName }),
      ...(bindings.length > 0 && { bindings }),
      ...(memoryBytes !== undefined && { memoryBytes }),
    };
    this.#connection.sendBytes(FRAME.load, 0, encodeParcel(parcel, bytesOf(program)));
    this.#loading = load.mode === "function";
    this.#awaited = this.#loading ? FRAME.ready : undefined;
    if (!this.#loading) this.#loaded.resolve();
    return this.#loaded.promise;
  }

  /** Takes a frame of the guest. @throws {WireError} when it is not the awaited one */
  receive(type: FrameType, payload: Uint8Array): void {
    if (type !== this.#awaited) throw new WireError(`Cannot read frame of type ${type}: it is not awaited`);
    this.#awaited = undefined;
    if (type === FRAME.hello) return this.#hello.resolve();
    this.#loading = false;
    const { error } = parseJson(payload) as { error?: unknown };
    if (error === undefined) return this.#loaded.resolve();
    this.#loaded.reject(errorFromGuest(parseReset(new TextEncoder().encode(JSON.stringify(error)))));
  }

  /** The instance is over: nobody need wait. */
  fail(reason: unknown): void {
    this.#hello.reject(reason);
    this.#loaded.reject(reason);
  }
}

/** What is said of a program of one kind only. */
function ownOf(program: AnyProgram): Pick<LoadParcel, "language" | "process" | "wasm" | "browser" | "target"> {
  if (program.kind === "process") return { language: "javascript", process: program.settings };
  if (program.kind === "browser") return { language: "javascript", browser: pageParts(program) };
  if (program.kind !== "wasm")
    return { language: program.language, ...(program.target !== undefined && { target: program.target }) };
  return program.isTranspiled ? { language: "component" } : { language: "wasm", wasm: wasmLoad(program) };
}

function wasmLoad({ bytes, settings, files = [] }: WasmProgram): WasmLoad {
  const told = files.map(({ path, contents }) => {
    return [path, contents instanceof Uint8Array ? contents.length : contents.link] as const;
  });
  return { ...settings, moduleBytes: bytes.length, files: told };
}

function bytesOf(program: AnyProgram): Uint8Array {
  if (program.kind === "process") return NO_BYTES;
  if (program.kind === "browser") return pageBytes(program);
  if (program.kind !== "wasm") return new TextEncoder().encode(program.code);
  if (program.isTranspiled) return program.bytes;
  const files = (program.files ?? []).flatMap(({ contents }) => (contents instanceof Uint8Array ? [contents] : []));
  return files.length === 0 ? program.bytes : Buffer.concat([program.bytes, ...files]);
}
