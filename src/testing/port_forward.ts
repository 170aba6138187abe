/** A port that leads to another one, which may change: a client sees a server go, come back, and connections cut. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A forwarded port on loopback. `await using` closes it with its connections. */
export class PortForward implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Where new connections lead; undefined closes them at once. */
  target: number | undefined;

  private constructor(target: number) {
    this.target = target;
    this.#server = createServer((near) => {
      this.#keep(near);
      if (this.target === undefined) {
        near.destroy();
        return;
      }
      const far = this.#keep(connect(this.target, "127.0.0.1"));
      near.on("close", () => far.destroy());
      far.on("close", () => near.destroy());
      near.pipe(far).pipe(near);
    });
  }

  static async to(target: number): Promise<PortForward> {
    const forward = new PortForward(target);
    await new Promise<void>((resolve) => forward.#server.listen(0, "127.0.0.1", resolve));
    return forward;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts what is connected now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #keep(socket: Socket): Socket {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
