/** Where a PostgreSQL database is and who connects, read from its URL. Never told to anybody. */
import { lookup } from "node:dns/promises";
import { IsopodError } from "../../../core/errors.ts";

/** An address that can be connected to. */
export interface DatabaseAddress {
  /** An IP address, a name that was not looked up, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly ssl: false | { readonly rejectUnauthorized: boolean; readonly servername?: string };
}

/** Whether an IP address is one that everybody may be let to. */
export type IsPublic = (address: string) => boolean;

const DEFAULT_PORT = 5432;

/**
 * Reads a URL such as `postgres://user:password@host:5432/name?sslmode=verify-full`.
 * @param isPublic where the URL is a tenant's: names are looked up here, and the address that was checked is connected to
 * @throws {IsopodError} `binding_failed`
 */
export async function readAddress(text: string, isPublic: IsPublic | undefined): Promise<DatabaseAddress> {
  if (!URL.canParse(text)) throw unusable("its url cannot be read");
  const url = new URL(text);
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") throw unusable("its url is not of postgres://");
  const socket = url.searchParams.get("host");
  const name = decodeURIComponent(url.hostname).replace(/^\[|\]$/g, "");
  const host = socket ?? (name || "localhost");
  const mode = url.searchParams.get("sslmode") ?? "prefer";
  const isVerified = mode === "verify-full" || mode === "verify-ca";
  const isEncrypted = isVerified || mode === "require";
  return {
    host: isPublic === undefined ? host : await publicAddress(host, isPublic),
    port: Number(url.port || DEFAULT_PORT),
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)) || "postgres",
    ssl: isEncrypted && { rejectUnauthorized: isVerified, ...(name !== "" && { servername: name }) },
  };
}

async function publicAddress(host: string, isPublic: IsPublic): Promise<string> {
  if (host.startsWith("/")) throw unusable("its url names a socket of this machine");
  const found = await lookup(host, { all: true }).catch(() => []);
  const [address] = found;
  if (address === undefined) throw unusable("its host cannot be found");
  if (!found.every((each) => isPublic(each.address))) throw unusable("its host is not public");
  return address.address;
}

function unusable(why: string): IsopodError {
  return new IsopodError("binding_failed", { message: `Cannot use the database: ${why}` });
}
