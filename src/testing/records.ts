/** What a test server remembers of a request that is over, as the admin listener tells it. */
import type { TestServer } from "./server.ts";

/** The members of a record that tests look at. */
export interface RequestRecord {
  readonly status: number;
  readonly programHash?: string;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly line?: number;
    readonly column?: number;
  };
  readonly logs: readonly { readonly level: string; readonly text: string }[];
  readonly figures?: { readonly wallMs: number; readonly cpuMs: number; readonly memoryBytes: number };
}

const DEADLINE_MS = 5000;

/** The record of the request `id`, or the one that was answered with `id`; waits until there is one. */
export async function recordOf(server: TestServer, id: string | Response): Promise<RequestRecord> {
  const requestId = typeof id === "string" ? id : id.headers.get("isopod-request-id");
  const address = `/v1/invocations/${requestId}`;
  const giveUpAt = performance.now() + DEADLINE_MS;
  for (;;) {
    const found = await server.admin(address);
    const body = await found.text();
    if (found.status === 200) return JSON.parse(body) as RequestRecord;
    if (performance.now() > giveUpAt) throw new Error(`Cannot find the record at ${address}: ${found.status} ${body}`);
  }
}
