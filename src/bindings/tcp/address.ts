/** `host:port` as programs write it. */
import type { DialTarget } from "../../core/dialler.ts";

const HOST_LENGTH_MAX = 253;

/** The target that `text` names; undefined when it names none. An IPv6 address stands in brackets. */
export function parseHostPort(text: string): DialTarget | undefined {
  const [, bracketed, plain, digits = ""] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@?#\\[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain?.toLowerCase().replace(/\.$/, "") ?? "";
  const port = Number(digits);
  if (host === "" || host.length > HOST_LENGTH_MAX || port < 1 || port > 65_535) return undefined;
  return { host, port };
}
