/** A client of `GET /v1/logs` for tests: pages, and the events of a follower. */

import type { LogItem } from "../core/log_store.ts";
import { readEvents } from "../sdk/event_stream.ts";
import { settled } from "./websocket_client.ts";

/** A page as the admin API gives it. */
export interface LogsAnswer {
  readonly items: readonly LogItem[];
  readonly next: string | null;
  readonly missing: number;
  readonly newest_id: number;
}

/** A server that can be asked. */
interface Asked {
  admin(path: string): Promise<Response>;
}

/** Asks for a page. @throws with the answer when it is no page */
export async function askLogs(server: Asked, parameters: Readonly<Record<string, string>>): Promise<LogsAnswer> {
  const answer = await server.admin(`/v1/logs?${new URLSearchParams(parameters)}`);
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`Cannot ask for logs: ${answer.status} ${text}`);
  return JSON.parse(text) as LogsAnswer;
}

/** Asks until the answer has the record of the invocation's end, which comes after its response; the oldest first. */
export function logsOf(server: Asked, response: Response): Promise<readonly LogItem[]> {
  const request_id = response.headers.get("isopod-request-id") ?? "";
  return settled(`the end of ${request_id} in the logs`, async () => {
    const { items } = await askLogs(server, { request_id, order: "oldest", limit: "1000" });
    return items.some(({ kind }) => kind === "invocation") ? items : undefined;
  });
}

/** The items of a stream of events; their `id` is checked against the data. */
export async function* itemsOf(response: Response): AsyncGenerator<LogItem> {
  if (response.body === null) throw new Error("Cannot follow the logs: there is no body");
  for await (const { name, data } of readEvents(response.body)) {
    const item = JSON.parse(data) as LogItem;
    if (name !== (item.kind === "missing" ? "missing" : "record")) throw new Error(`Event ${name} holds ${data}`);
    yield item;
  }
}
