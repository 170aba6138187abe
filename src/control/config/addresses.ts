/** Where a server listens: what the command line says goes before what stands in the file. */
import { type Address, defaultConfig } from "./config.ts";
import type { ConfigReport } from "./report.ts";
import type { RawConfig } from "./schema.ts";
import { address } from "./values.ts";

/** What the command line says. */
export interface TypedAddresses {
  /** `host:port`, in the place of the file's `listen_address` and `admin_address`. */
  readonly listen?: string | undefined;
  readonly admin?: string | undefined;
}

/** The addresses of the command line, else of the file. @throws {Error} @throws {ConfigError} */
export function readAddresses(
  raw: RawConfig,
  given: TypedAddresses,
  report: ConfigReport,
): { listen: Address; admin: Address } {
  const standard = defaultConfig();
  const listen = readAddress("--listen", given.listen) ?? raw.listen_address ?? standard.listen;
  const admin = readAddress("--admin", given.admin) ?? raw.admin_address ?? standard.admin;
  if (listen.port !== 0 && listen.port === admin.port && listen.host === admin.host) {
    const both = `listen_address and admin_address are both "${listen.host}:${listen.port}"`;
    if ((given.listen ?? given.admin) !== undefined) throw new Error(`Cannot read --listen and --admin: ${both}`);
    report.fail([raw.admin_address ? "admin_address" : "listen_address"], both);
  }
  return { listen, admin };
}

/** @throws {Error} when `text` is no address */
function readAddress(option: string, text: string | undefined): Address | undefined {
  if (text === undefined) return undefined;
  const read = address.safeParse(text);
  if (read.success) return read.data;
  throw new Error(`Cannot read ${option} "${text}": expected a host and a port, such as 127.0.0.1:8080`);
}
