/** The answer of an invocation as the listener sends it: its own headers, and what the gateway says beside them. */
import type { HeaderList, InvocationResponse } from "../core/invocation.ts";
import type { ExchangeRecord } from "./exchange_record.ts";
import { HeaderTemplates, VERSION_HEADER } from "./header_templates.ts";
import { type Exchange, handshakeFailed } from "./listener.ts";
import { shortVersion } from "./version_choice.ts";

/**
 * The answer as the listener sends it; undefined when a WebSocket was accepted.
 * @throws {IsopodError} when the program accepted a WebSocket and the handshake cannot be completed
 */
export function toHttp(
  response: InvocationResponse,
  record: ExchangeRecord,
  exchange: Exchange,
  extra: HeaderList,
): Response | undefined {
  const { status, headers, body, blob, socket } = response;
  if (socket !== undefined) {
    if (!exchange.acceptSocket(socket, [...headers, ["isopod-request-id", record.requestId]])) {
      socket.close(1011, "");
      throw handshakeFailed();
    }
    record.answered(response, status);
    return undefined;
  }
  record.answered(response, status);
  if (body instanceof ReadableStream) response.ended.then(() => exchange.endSilence());
  else exchange.endSilence();
  const { requestId, version } = record;
  const all =
    (extra.length === 0 ? templates.of(headers, "isopod-request-id", requestId, version) : undefined) ??
    allHeaders(headers, requestId, version, extra);
  return new Response((blob ?? body) as Blob | ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | null, {
    status,
    headers: all,
  });
}

const templates = new HeaderTemplates();

function allHeaders(
  headers: HeaderList,
  requestId: string,
  version: string | undefined,
  extra: HeaderList,
): [string, string][] {
  const own = extra.length === 0 ? headers : headers.filter(([name]) => !isOf(extra, name));
  const said = version === undefined ? [] : [[VERSION_HEADER, shortVersion(version)]];
  return [...own, ...said, ["isopod-request-id", requestId], ...extra] as [string, string][];
}

/** Whether the gateway says `name` itself: given twice, browsers would take it for neither. Vary adds up. */
function isOf(headers: HeaderList, name: string): boolean {
  const lower = name.toLowerCase();
  return lower !== "vary" && headers.some(([given]) => given === lower);
}
