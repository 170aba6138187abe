/** One invocation as the functions that the host gives to modules see it: its memory, and what it has on `env`. */
import { AbiFault, type GuestMemory, type Word } from "../guest_memory.ts";

/** What calls give that could not be done; what is not there is -1. */
export const FAILED = -2;
const NOTHING = new Uint8Array(0);

const encoder = new TextEncoder();

/** The invocation. */
export class HostInvocation {
  /** Another one once there is an instance. */
  memory: GuestMemory;
  /** Variables and bindings. */
  readonly env: Readonly<Record<string, unknown>>;
  readonly variables: Readonly<Record<string, string>>;
  #last: Uint8Array = NOTHING;
  readonly #closers: (() => void)[] = [];

  constructor(
    memory: GuestMemory,
    env: Readonly<Record<string, unknown>>,
    variables: Readonly<Record<string, string>>,
  ) {
    this.memory = memory;
    this.env = env;
    this.variables = variables;
  }

  /** Gives a value as every function does: its size, and its bytes where there is room for all of them. */
  give(action: string, value: Uint8Array | string | undefined, pointer: Word, size: Word): bigint {
    const bytes = typeof value === "string" ? encoder.encode(value) : value;
    return this.memory.give(action, bytes, pointer, size);
  }

  /** What the last call of a binding gave. */
  get last(): Uint8Array {
    return this.#last;
  }

  /**
   * Gives what `call` resolves to, and keeps it for `last_value`: a call that changes something need not be made twice for
   * want of room.
   */
  async giveLater(action: string, pointer: Word, size: Word, call: () => Promise<Given>): Promise<bigint> {
    // Before anything is done, so that nothing is done for a module that could not be told.
    this.memory.view(action, pointer, size);
    try {
      const value = await call();
      this.#last = typeof value === "string" ? encoder.encode(value) : (value ?? NOTHING);
      return this.give(action, value === undefined ? undefined : this.#last, pointer, size);
    } catch (error) {
      return BigInt(this.#fail(action, error));
    }
  }

  /** 0 once `call` is done. */
  async doLater(action: string, call: () => Promise<unknown>): Promise<number> {
    try {
      await call();
      this.#last = NOTHING;
      return 0;
    } catch (error) {
      return this.#fail(action, error);
    }
  }

  /** What stands on `env` under the name at `pointer`. @throws {Error} when it is no binding of this type */
  binding<Binding>(type: string, method: string, name: string): Binding {
    const found = Object.hasOwn(this.env, name) ? this.env[name] : undefined;
    if (typeof found === "object" && found !== null && method in found) return found as Binding;
    const message = `the function has no ${type} binding named "${name.slice(0, 100)}"`;
    throw Object.assign(new Error(message), { code: "binding_denied" });
  }

  /** Has `close` called as the invocation ends. */
  onClose(close: () => void): void {
    this.#closers.push(close);
  }

  /** Ends what the module has left open. */
  close(): void {
    for (const close of this.#closers) close();
  }

  #fail(action: string, error: unknown): number {
    // A fault of the module ends it, as it does everywhere.
    if (error instanceof AbiFault) throw error;
    const { message, code = "bad_request" } = error as { readonly message: string; readonly code?: string };
    this.#last = encoder.encode(JSON.stringify({ code, message }));
    console.warn("%s", `${action}: ${message}`);
    return FAILED;
  }
}

/** What a call can give. */
export type Given = Uint8Array | string | undefined;
