/** A static file's way into and out of an exchange: what of a request counts, and what is said of the answer. */
import type { FunctionVersion } from "../../core/function.ts";
import type { HeaderList } from "../../core/invocation.ts";
import type { ExchangeRecord } from "../exchange_record.ts";
import { type FunctionCall, recordCall } from "../function_call.ts";
import { VERSION_HEADER } from "../header_templates.ts";
import { asksForSocket } from "../listener.ts";
import { shortVersion } from "../version_choice.ts";
import type { AssetAnswer, AssetRequest } from "./asset_answer.ts";

/** What is asked of the static files: the path behind the function's route, the whole one where that has no `*`. */
export function assetRequest(request: Request, path: string, { params }: FunctionCall): AssetRequest {
  const { method, url, headers } = request;
  const query = url.indexOf("?");
  return {
    ...{ headers, path: params["*"] ?? decodePath(path), urlPath: path, query: query < 0 ? "" : url.slice(query) },
    // A WebSocket is the function's.
    method: asksForSocket(request) ? "" : method,
  };
}

/** The path without its first slash; as it is when it is the encoded form of none. */
export function decodePath(path: string): string {
  const rest = path.slice(1);
  if (!rest.includes("%")) return rest;
  try {
    return decodeURIComponent(rest);
  } catch {
    return rest;
  }
}

/** The answer as the listener sends it; the record of the request ends with it. */
export function sendAsset(
  { status, headers, body, bytes }: AssetAnswer,
  version: FunctionVersion,
  record: ExchangeRecord,
  extra: HeaderList,
): Response {
  recordCall(record, version);
  record.status = status;
  record.responseBytes = bytes;
  record.finish(undefined);
  const own = [
    [VERSION_HEADER, shortVersion(version.version)],
    ["isopod-request-id", record.requestId],
  ];
  return new Response(body, { status, headers: [...headers, ...own, ...extra] as [string, string][] });
}
