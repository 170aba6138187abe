/** An answer as a test looks at it: complete or cut off, and the error that explains it, wherever that stands. */
import type { TestServer } from "./server.ts";

/** An answer as a test looks at it. */
export interface Outcome {
  readonly status: number;
  readonly text: string;
  /** The body broke off. */
  readonly cut: boolean;
  readonly requestId: string;
  readonly error:
    | {
        readonly code: string;
        readonly message: string;
        readonly limit?: { readonly name: string; readonly value: number };
      }
    | undefined;
}

/** Reads an answer to its end, or to where it is cut off; the error of one that was cut off is asked of the admin API. */
export async function outcomeOf(server: TestServer, response: Response, keepBytes = 64 * 1024): Promise<Outcome> {
  const requestId = response.headers.get("isopod-request-id") ?? "";
  let text = "";
  let cut = false;
  try {
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      if (text.length < keepBytes) text += new TextDecoder().decode(chunk);
    }
  } catch {
    cut = true;
  }
  const error = cut
    ? await recordedError(server, requestId)
    : response.ok
      ? undefined
      : (JSON.parse(text) as { error: Outcome["error"] }).error;
  return { status: response.status, text, cut, requestId, error };
}

/** Why an invocation failed, by the admin API, once it is over. */
export async function recordedError(
  server: TestServer,
  requestId: string,
  deadlineMs = 5000,
): Promise<Outcome["error"]> {
  const until = performance.now() + deadlineMs;
  for (;;) {
    const response = await server.admin(`/v1/invocations/${requestId}`);
    if (response.ok) return ((await response.json()) as { error?: Outcome["error"] }).error;
    await response.body?.cancel();
    if (performance.now() > until)
      throw new Error(`Cannot find invocation ${requestId}: it is not recorded after ${deadlineMs} ms`);
  }
}
