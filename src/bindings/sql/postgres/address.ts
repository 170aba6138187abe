/**
 * Where a PostgreSQL database is and who connects, read from its URL. Never told to anybody: what is wrong with a URL is
 * said without a piece of it but the name of a parameter.
 */
import { lookup } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { IsopodError } from "../../../core/errors.ts";

/** An address that can be connected to. */
export interface DatabaseAddress {
  /** An IP address, a name that was not looked up, or the folder of a Unix socket. */
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  /** What the session begins with, as `psql` takes it from PGOPTIONS. */
  readonly options: string | undefined;
  readonly tls: TlsTerms | undefined;
}

/** What is asked of the server's certificate. */
export interface TlsTerms {
  readonly rejectUnauthorized: boolean;
  /** For SNI, and for the check of the name; not there where an IP address was named. */
  readonly servername?: string;
  /** The authority, PEM; those of the system when left out. */
  readonly ca?: string;
  /** Replaces the check of the name. */
  readonly checkServerIdentity?: () => undefined;
}

/** Whether an IP address is one that everybody may be let to. */
export type IsPublic = (address: string) => boolean;

const DEFAULT_PORT = 5432;
const MODES = ["disable", "require", "verify-ca", "verify-full"];
/** Parameters of libpq that are read, and those that change nothing here. */
const PARAMETERS = ["host", "sslmode", "sslrootcert", "options", "application_name", "connect_timeout"];

/**
 * Reads a URL such as `postgres://user:password@host:5432/name?sslmode=verify-full`. Without `sslmode`, an operator's
 * is connected to in the clear, and a tenant's, which leads over the internet, by TLS.
 * @param isPublic where the URL is a tenant's: names are looked up here, and the address that was checked is connected to
 * @throws {IsopodError} `binding_failed`
 */
export async function readAddress(text: string, isPublic: IsPublic | undefined): Promise<DatabaseAddress> {
  if (!URL.canParse(text)) throw unusable("its url cannot be read");
  const url = new URL(text);
  if (url.protocol !== "postgres:" && url.protocol !== "postgresql:") throw unusable("its url is not of postgres://");
  for (const name of url.searchParams.keys()) {
    if (PARAMETERS.includes(name)) continue;
    throw unusable(`its url has the parameter "${name.slice(0, 40)}", expected ${PARAMETERS.join(", ")}`);
  }
  const user = decoded(url.username);
  if (user === "") throw unusable("its url names no user");
  const named = decoded(url.hostname).replace(/^\[|\]$/g, "");
  const host = url.searchParams.get("host") ?? (named || "localhost");
  const options = url.searchParams.get("options") ?? undefined;
  for (const part of [host, options ?? ""]) checkText(part);
  return {
    host: isPublic === undefined ? host : await publicAddress(host, isPublic),
    port: Number(url.port || DEFAULT_PORT),
    ...{ user, options, password: decoded(url.password), database: decoded(url.pathname.slice(1)) || user },
    tls: await readTerms(url.searchParams, host, isPublic === undefined),
  };
}

async function readTerms(parameters: URLSearchParams, host: string, isTrusted: boolean): Promise<TlsTerms | undefined> {
  const mode = parameters.get("sslmode") ?? (isTrusted ? "disable" : "require");
  if (!MODES.includes(mode)) throw unusable(`its url has an unknown sslmode, expected ${MODES.join(", ")}`);
  if (mode === "disable") return undefined;
  const root = parameters.get("sslrootcert");
  const ca = root === null || root === "system" ? undefined : await readAuthority(root, isTrusted);
  const servername = isIP(host) === 0 ? host : undefined;
  return {
    rejectUnauthorized: mode !== "require",
    ...(servername !== undefined && { servername }),
    ...(ca !== undefined && { ca }),
    ...(mode === "verify-ca" && { checkServerIdentity: () => undefined }),
  };
}

async function readAuthority(path: string, isTrusted: boolean): Promise<string> {
  if (!isTrusted) throw unusable('its url names a file of this machine, expected sslrootcert "system"');
  return await readFile(path, "utf8").catch(() => {
    throw unusable("the file that its sslrootcert names cannot be read");
  });
}

async function publicAddress(host: string, isPublic: IsPublic): Promise<string> {
  if (host.startsWith("/")) throw unusable("its url names a socket of this machine");
  const found = await lookup(host, { all: true }).catch(() => []);
  const [address] = found;
  if (address === undefined) throw unusable("its host cannot be found");
  if (!found.every((each) => isPublic(each.address))) throw unusable("its host is not public");
  return address.address;
}

function decoded(part: string): string {
  try {
    return checkText(decodeURIComponent(part));
  } catch (error) {
    throw error instanceof IsopodError ? error : unusable("its url is not percent-encoded UTF-8");
  }
}

/** A NUL would end a field of the protocol, and begin another. */
function checkText(text: string): string {
  if (text.includes("\0")) throw unusable("its url holds a NUL");
  return text;
}

function unusable(why: string): IsopodError {
  return new IsopodError("binding_failed", { message: `Cannot use the database: ${why}` });
}
