/** Requests to a server, and errors that say what to do when there is none. */
import { CommandFailure, EXIT, usageError } from "../exit_codes.ts";
import { messageOf } from "../terminal/terminal.ts";

/** The `error` object of Isopod's answers, as far as the command line reads it. */
export interface ServerError {
  readonly code: string;
  readonly message: string;
  readonly request_id?: string;
  readonly limit?: { readonly name: string; readonly value: number };
  readonly line?: number;
  readonly column?: number;
}

/**
 * The URL that `text` names, with `path` when it has none itself.
 * @throws {Error}
 * @example serverUrl("localhost:8080", "/run").href // "http://localhost:8080/run"
 */
export function serverUrl(text: string, path: string): URL {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  const whole = scheme === undefined ? `http://${text}` : text;
  if (!URL.canParse(whole) || ![undefined, "http", "https"].includes(scheme))
    throw usageError(`Cannot read the server's address "${text}": expected a URL, such as http://127.0.0.1:8080`);
  const url = new URL(whole);
  if (url.pathname === "/") url.pathname = path;
  return url;
}

/** Sends a request, for as long as it takes. @throws {Error} that says how to start a server when none answers */
export async function send(url: URL, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { redirect: "error", ...init, timeout: false } as RequestInit);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    const hint = isRefused(error)
      ? "nothing listens there; `isopod serve` starts a server, --url names another"
      : messageOf(error);
    throw new CommandFailure(`Cannot reach ${url.origin}: ${hint}`, { exitCode: EXIT.unreachable, cause: error });
  }
}

function isRefused(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && (error.code === "ConnectionRefused" || error.code === "ECONNREFUSED")
  );
}

/** The error that an answer carries; its text where it is none of Isopod's. */
export async function errorOf(response: Response): Promise<ServerError> {
  const text = (await response.text()).slice(0, 64 * 1024);
  try {
    const { error } = JSON.parse(text);
    if (typeof error?.code === "string" && typeof error.message === "string") return error;
  } catch {
    // Told below.
  }
  const said = text.trim().split("\n")[0]?.slice(0, 200);
  return {
    code: `http_${response.status}`,
    message: `${response.url} answered ${response.status}${said ? `: ${said}` : ""}; is it an Isopod server?`,
  };
}

/** The address of a listener. */
export function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
