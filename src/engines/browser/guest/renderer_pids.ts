/**
 * Which process renders a tab: its number is a part of the numbers of the requests that the page makes, of which the
 * browser tells before they are sent. A page's first is our script's, for its socket, before any code of its function runs.
 */
import type { CdpValue } from "./cdp.ts";
import type { Target, Targets } from "./targets.ts";

/** Requests of a renderer are numbered `PROCESS.NUMBER`; a navigation's, which is the browser's own, has another form. */
const REQUEST_ID = /^(\d{1,10})\.\d+$/;

/** What the browser need not keep of what is loaded, in bytes. */
const KEPT_BYTES = 1024;

/** Has the browser tell of the requests of a blank tab's next page; not later, or the first may be missed. @throws {CdpError} */
export async function tellRequests(targets: Targets, { session }: Target): Promise<void> {
  const buffers = { maxTotalBufferSize: KEPT_BYTES, maxResourceBufferSize: KEPT_BYTES };
  await targets.call("Network.enable", buffers, session);
}

/** Calls back, once, with the process of the page that such a tab is brought to, as the sandbox numbers it. */
export function watchRenderer(targets: Targets, target: Target, found: (pid: number) => void): void {
  let isFound = false;
  targets.listen(target, (method, params) => {
    const pid = isFound ? undefined : processIn(method, params);
    if (pid === undefined) return;
    isFound = true;
    // Now: every message of the page's socket would be told of.
    targets.call("Network.disable", {}, target.session).catch(() => {});
    found(pid);
  });
}

function processIn(method: string, { requestId }: CdpValue): number | undefined {
  if (method !== "Network.requestWillBeSent" && method !== "Network.webSocketCreated") return undefined;
  const pid = REQUEST_ID.exec(String(requestId))?.[1];
  return pid === undefined ? undefined : Number(pid);
}
