/**
 * What is bound to a function, over HTTP on the sandbox's own loopback, and a proxy to what it may reach outside.
 *
 * A request to `/isopod/bindings/NAME/...` is the call that the guest half of the binding would make for a script; the proxy
 * takes requests in the absolute form, and opens tunnels. The host decides about all of them, as it does for every guest.
 */
import type { GuestAnswer, GuestPort } from "../../../core/guest.ts";
import { receiveBody } from "../../guest/bodies.ts";
import type { RequestStart } from "../../guest/http_parser.ts";
import type { BodySink, Reply } from "../../guest/http_reply.ts";
import { IGNORE, JSON_TYPE } from "./replies.ts";

const BOUND = /^\/isopod\/bindings\/([A-Za-z_][A-Za-z0-9_]{0,63})(\/.*)?$/;

/** Headers between two parties of one connection, and what the host sets itself. */
const HOP = new Set([
  ...["connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer", "proxy-connection", "host"],
  ...["content-length", "proxy-authorization", "expect"],
]);

/** More than this unread, and the program is not read. In bytes. */
const UNREAD_BYTES_MAX = 256 * 1024;

/** What follows the name of a TCP binding, with where to connect to, and the answer when that is done. */
const CONNECT = /^\/connect(?:\?(.*))?$/;
const CONNECTED = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: tcp\r\n\r\n";

/** Answers a call of a binding; undefined when it is none. */
export function boundCall(port: GuestPort, head: RequestStart, reply: Reply): BodySink | undefined {
  const [, name, path = "/"] = BOUND.exec(head.target) ?? [];
  if (name === undefined) return undefined;
  const [connects, query] = head.headers.get("upgrade")?.toLowerCase() === "tcp" ? (CONNECT.exec(path) ?? []) : [];
  if (connects === undefined) return forward(port, name, path, head, reply);
  return openTunnel(port, name, new URLSearchParams(query).get("address") ?? "", reply, CONNECTED);
}

/** Answers a request to the proxy. */
export function proxiedCall(port: GuestPort, head: RequestStart, reply: Reply): BodySink {
  if (head.method === "CONNECT") return openTunnel(port, "egress", head.sent, reply);
  if (/^https?:\/\//i.test(head.sent) && URL.canParse(head.sent))
    return forward(port, "egress", head.sent, head, reply);
  refuse(reply, 400, "bad_request", "Cannot forward the request: expected an absolute address");
  return IGNORE;
}

function forward(port: GuestPort, name: string, url: string, head: RequestStart, reply: Reply): BodySink {
  const headers = [...head.headers].filter(([each]) => !HOP.has(each));
  const hasBody = head.headers.has("transfer-encoding") || Number(head.headers.get("content-length") ?? 0) > 0;
  const sent = hasBody ? upload(reply) : undefined;
  const call = { method: head.method, url, headers, body: sent?.stream ?? null } as const;
  port.call(name, { ...call, signal: goneSignal(reply), redirect: "manual" }).then(
    (answer) => send(answer, reply).then(() => sent?.drop()),
    (error: { code?: string; message?: string }) => {
      refuseCall(reply, error);
      sent?.drop();
    },
  );
  return sent?.sink ?? IGNORE;
}

/** A connection to a host and a port, for what ordinary programs speak over it: mostly TLS. */
function openTunnel(port: GuestPort, name: string, url: string, reply: Reply, head?: string): BodySink {
  const { stream: body, sink } = upload(reply);
  const call = { method: "CONNECT", url, headers: [], body, redirect: "manual" } as const;
  port.call(name, { ...call, signal: goneSignal(reply) }).then(
    (answer) => {
      reply.tunnel(sink, head);
      pass(answer.body, reply);
    },
    (error: { code?: string; message?: string }) => refuseCall(reply, error),
  );
  return IGNORE;
}

function goneSignal(reply: Reply): AbortSignal {
  const gone = new AbortController();
  reply.onGone = () => gone.abort();
  return gone.signal;
}

/** What a program sends to somebody. */
interface Upload {
  readonly stream: ReadableStream<Uint8Array>;
  readonly sink: BodySink;
  /** Nobody wants the rest: many programs look for an answer only when they have sent all. */
  drop(): void;
}

/** What the program sends, as a stream that holds it up while it is not read. */
function upload(reply: Reply): Upload {
  let unread = 0;
  let isDropped = false;
  const drop = () => {
    isDropped = true;
    reply.resume();
  };
  const body = receiveBody((bytes) => {
    unread -= bytes;
    if (unread < UNREAD_BYTES_MAX) reply.resume();
  }, drop);
  const sink: BodySink = {
    data(bytes) {
      if (isDropped) return;
      body.data(bytes);
      unread += bytes.length;
      if (unread >= UNREAD_BYTES_MAX) reply.pause();
    },
    end: () => body.end(),
    cut: () => body.fail(new Error("The program gave the request up")),
  };
  return { stream: body.stream, sink, drop };
}

async function send({ status, headers, body }: GuestAnswer, reply: Reply): Promise<void> {
  const kept = headers.filter(([name]) => !HOP.has(name.toLowerCase()));
  if (body === null) return reply.send(status, Object.fromEntries(kept));
  reply.begin(status, kept);
  await pass(body, reply);
}

async function pass(body: GuestAnswer["body"], reply: Reply): Promise<void> {
  try {
    for await (const chunk of body ?? []) {
      if (reply.isGone) return;
      if (reply.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        reply.onDrain = resolve;
      });
    }
    reply.finish(true);
  } catch {
    reply.finish(false);
  }
}

function refuseCall(reply: Reply, { code, message }: { readonly code?: string; readonly message?: string }): void {
  const said = code || "binding_failed";
  const status = said === "bad_request" ? 400 : /denied|limit/.test(said) ? 403 : 502;
  refuse(reply, status, said, message ?? "The call failed");
}

function refuse(reply: Reply, status: number, code: string, message: string): void {
  reply.send(status, JSON_TYPE, JSON.stringify({ error: { code, message } }));
}
