/** The server that programs find on their loopback: one address for the APIs of the dialect, and of what is bound. */
import type { Connection } from "../../../wire/connection.ts";
import { createPort } from "../../guest/calls.ts";
import type { RequestStart } from "../../guest/http_parser.ts";
import type { BodySink, Handler, Reply } from "../../guest/http_reply.ts";
import { listen } from "../../guest/http_server.ts";
import { boundCall, proxiedCall } from "./bound_calls.ts";
import type { Dialect, DialectHost } from "./dialect.ts";
import { API_PORT, API_SOCKET, PROXY_PORT } from "./environment.ts";
import { Extensions } from "./extensions.ts";
import { HttpProgram } from "./http_program.ts";
import { NoProgram } from "./no_program.ts";
import { IGNORE } from "./replies.ts";
import { RuntimeApi } from "./runtime_api.ts";
import { Stdio } from "./stdio.ts";
import { Telemetry } from "./telemetry.ts";

/** The dialect of a program, and the server for it. */
export class Apis {
  readonly dialect: Dialect;
  readonly telemetry = new Telemetry();
  readonly #routes: ((head: RequestStart, reply: Reply) => BodySink | undefined)[] = [];

  /** Listens. @throws {Error} */
  constructor(host: DialectHost, connection: Connection) {
    const port = createPort({ connection, currentInvocation: () => this.dialect.current, busy() {} });
    this.dialect = this.#open(host);
    const handler: Handler = (head, reply) => this.#answer(head, reply);
    listen({ port: API_PORT }, handler);
    listen({ unix: API_SOCKET }, handler);
    this.#routes.push((head, reply) => boundCall(port, head, reply));
    listen({ port: PROXY_PORT }, (head, reply) => proxiedCall(port, head, reply));
  }

  #open(host: DialectHost): Dialect {
    const { dialect } = host.load.process ?? {};
    if (dialect === "none") return new NoProgram(host);
    if (dialect === "stdio") return new Stdio(host);
    if (dialect === "http") return new HttpProgram(host);
    const extensions = new Extensions(host, this.telemetry);
    const runtime = new RuntimeApi(host, extensions, this.telemetry);
    this.#routes.push(
      (head, reply) => runtime.handle(head, reply),
      (head, reply) => extensions.handle(head, reply),
      (head, reply) => this.#telemetry(extensions, head, reply),
    );
    return runtime;
  }

  #answer(head: RequestStart, reply: Reply): BodySink {
    for (const route of this.#routes) {
      const sink = route(head, reply);
      if (sink !== undefined) return sink;
    }
    if (head.target === "/2018-06-01/ping") reply.send(200, { "content-type": "text/plain" }, "pong");
    else reply.send(404, { "content-type": "text/plain" }, "404 page not found\n");
    return IGNORE;
  }

  #telemetry(extensions: Extensions, head: RequestStart, reply: Reply): BodySink | undefined {
    if (!this.telemetry.isCall(head)) return undefined;
    const name = extensions.known(head, reply)?.name;
    return name === undefined ? IGNORE : this.telemetry.subscribe(name, head, reply);
  }
}
