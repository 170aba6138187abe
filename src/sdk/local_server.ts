/**
 * A server for development, by what the platform has: `Deno.serve`, `Bun.serve`, or Node's `node:http`.
 *
 * None of them is imported, so that a bundle for a browser holds nothing that a browser lacks.
 */
import { listenNode, type NodeHttp } from "./node_server.ts";

/** Where an application listens outside of Isopod. */
export interface ListenOptions<E = unknown> {
  /** 127.0.0.1 when left out: a server for development is nobody else's business. */
  readonly hostname?: string;
  /** What handlers find as `request.env`. */
  readonly env?: E;
}

/** A server that listens; under Isopod, where the platform does, `url` is empty and `port` 0. */
export interface LocalServer {
  /** Its address, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Ends it, and every connection with it. */
  close(): Promise<void>;
}

type Handler = (request: Request) => Promise<Response>;

interface Platform {
  readonly Deno?: {
    serve(
      options: { readonly port: number; readonly hostname: string; onListen(): void },
      handler: Handler,
    ): { readonly addr: { readonly port: number }; shutdown(): Promise<void> };
  };
  readonly Bun?: {
    serve(options: { readonly port: number; readonly hostname: string; readonly fetch: Handler }): {
      readonly port: number;
      stop(closeConnections: boolean): Promise<void>;
    };
  };
  readonly process?: { readonly versions?: { readonly node?: string } };
}

/** Starts a server. @throws {Error} when nothing can listen there */
export async function startLocalServer(port: number, options: ListenOptions, handler: Handler): Promise<LocalServer> {
  const hostname = options.hostname ?? "127.0.0.1";
  const { Deno, Bun, process } = globalThis as Platform;
  const started = (actual: number, close: () => Promise<void>): LocalServer => {
    const host = hostname === "0.0.0.0" || hostname === "::" ? "localhost" : hostname;
    return { url: `http://${host.includes(":") ? `[${host}]` : host}:${actual}`, port: actual, close };
  };
  if (Deno !== undefined) {
    const server = Deno.serve({ port, hostname, onListen: () => {} }, handler);
    return started(server.addr.port, () => server.shutdown());
  }
  if (Bun !== undefined) {
    const server = Bun.serve({ port, hostname, fetch: handler });
    return started(server.port, () => server.stop(true));
  }
  if (process?.versions?.node === undefined)
    throw new Error(`Cannot listen on port ${port}: nothing here can, expected Node, Deno, Bun or Isopod`);
  // A name that no bundler follows.
  const name = ["node", "http"].join(":");
  const http = (await import(/* @vite-ignore */ name)) as NodeHttp;
  const server = await listenNode(http, { port, hostname }, handler);
  return started(server.port, server.close);
}
