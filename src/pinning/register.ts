/** Registers programs on a server, so that plans with `run = "pinned"` may run them. */
import type { SentProgram } from "./sent_calls.ts";

/** A server's admin API, and what lets one change it. */
export interface AdminAccess {
  readonly url: string | URL;
  readonly token: string;
  /** How a request is sent; `fetch` when left out. */
  readonly send?: (url: URL, init: RequestInit) => Promise<Response>;
}

/**
 * Pins one program.
 * @param name what it is called in errors
 * @returns its hash, as the server made it
 * @throws {Error} when the server refuses, or none is there
 */
export async function registerPin(
  program: Pick<SentProgram, "code" | "language">,
  name: string,
  { url, token, send = fetch }: AdminAccess,
): Promise<string> {
  const fail = (why: string, cause?: unknown): never => {
    throw new Error(`Cannot pin ${name}: ${why}`, { cause });
  };
  const { code, language } = program;
  const request = {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ code, language }),
  };
  const response = await send(new URL("/v1/pins", url), request);
  const said = (await response.json().catch(() => ({}))) as {
    readonly hash?: string;
    readonly error?: { readonly message?: string };
  };
  if (!response.ok || said.hash === undefined)
    return fail(
      said.error?.message ?? `${url} answered ${response.status}; is it the admin address of an Isopod server?`,
    );
  return said.hash;
}
