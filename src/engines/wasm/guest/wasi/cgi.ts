/** Requests and answers of commands, as the Common Gateway Interface has them (RFC 3875). */
import { AbiFault } from "../guest_memory.ts";

/** Bytes in front of the body of an answer. */
const HEADERS_BYTES_MAX = 64 * 1024;
const BODILESS = new Set([204, 205, 304]);

/** The variables that tell of a request. `Proxy` is left out, which programs would take for a setting (httpoxy). */
export function cgiVariables({ method, url, headers }: Request): Record<string, string> {
  const { pathname, search, hostname, port, protocol } = new URL(url);
  const told: Record<string, string> = {};
  for (const [name, value] of headers) {
    if (name !== "proxy") told[`HTTP_${name.toUpperCase().replaceAll("-", "_")}`] = value;
  }
  const type = headers.get("content-type");
  return {
    ...told,
    ...{ GATEWAY_INTERFACE: "CGI/1.1", SERVER_SOFTWARE: "isopod", SERVER_PROTOCOL: "HTTP/1.1" },
    ...{ REQUEST_METHOD: method, SCRIPT_NAME: "", PATH_INFO: pathname, QUERY_STRING: search.slice(1) },
    ...{ SERVER_NAME: hostname, SERVER_PORT: port || (protocol === "https:" ? "443" : "80") },
    ...(type !== null && { CONTENT_TYPE: type }),
  };
}

/** The answer that a command has written: headers, an empty line, the body. @throws {AbiFault} when it is none */
export function cgiResponse(output: Uint8Array): Response {
  const head = new TextDecoder().decode(output.subarray(0, HEADERS_BYTES_MAX));
  const [block] = /^(?:[^\r\n]+\r?\n)+\r?\n/.exec(head) ?? [];
  if (block === undefined) {
    const start = JSON.stringify(head.slice(0, 60));
    throw new AbiFault(`its output does not begin with headers and an empty line, as CGI has it, but with ${start}`);
  }
  const headers = new Headers();
  let status: number | undefined;
  for (const line of block.trimEnd().split(/\r?\n/)) {
    const colon = line.indexOf(":");
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === "status") status = Number(/^[2-5]\d\d(?= |$)/.exec(value)?.[0]);
    else addHeader(headers, name, value);
  }
  status ??= headers.has("location") ? 302 : 200;
  if (Number.isNaN(status)) throw new AbiFault("its status is none of an answer, from 200 to 599");
  const body = output.subarray(new TextEncoder().encode(block).length) as Uint8Array<ArrayBuffer>;
  return new Response(BODILESS.has(status) ? null : body, { status, headers });
}

function addHeader(headers: Headers, name: string, value: string): void {
  try {
    headers.append(name, value);
  } catch {
    throw new AbiFault(`${JSON.stringify(`${name}: ${value}`.slice(0, 100))} is no header`);
  }
}
