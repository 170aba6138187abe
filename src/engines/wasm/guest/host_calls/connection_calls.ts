/** Calls that connect to backends. */
import type { Word } from "../guest_memory.ts";
import type { HostInvocation } from "./host_invocation.ts";
import { Sockets } from "./sockets.ts";

/** The calls. */
export class ConnectionCalls {
  readonly #invocation: HostInvocation;
  readonly #sockets: Sockets;

  constructor(invocation: HostInvocation) {
    this.#invocation = invocation;
    this.#sockets = new Sockets(invocation.env);
    invocation.onClose(() => this.#sockets.close());
  }

  async tcp_connect(pointer: Word, size: Word): Promise<number> {
    return this.#sockets.connect(this.#invocation.memory.text("tcp_connect", pointer, size));
  }

  async tcp_read(socket: number, pointer: Word, size: Word): Promise<bigint> {
    const { memory } = this.#invocation;
    const bytes = await this.#sockets.read(socket, memory.view("tcp_read", pointer, size).length);
    if (bytes === undefined) return -1n;
    memory.view("tcp_read", pointer, bytes.length).set(bytes);
    return BigInt(bytes.length);
  }

  async tcp_write(socket: number, pointer: Word, size: Word): Promise<bigint> {
    const bytes = this.#invocation.memory.view("tcp_write", pointer, size).slice();
    return (await this.#sockets.write(socket, bytes)) ? BigInt(bytes.length) : -1n;
  }
}
