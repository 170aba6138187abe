/** What runs in the pages of the `browser` engine as it is shipped: with the guest halves of the bindings. */
import { blobGuest } from "./bindings/blob/guest/bucket.ts";
import { cacheGuest } from "./bindings/cache/guest/caches.ts";
import { egressGuest } from "./bindings/egress/guest/fetch.ts";
import { functionGuest } from "./bindings/function/guest/stub.ts";
import { kvGuest } from "./bindings/kv/guest/namespace.ts";
import { queueGuest } from "./bindings/queue/guest/queue.ts";
import { sqlGuest } from "./bindings/sql/guest/database.ts";
import { tcpGuest } from "./bindings/tcp/guest/connector.ts";
import { startPage } from "./engines/browser/guest/page/main.ts";

startPage({
  globals: [egressGuest, cacheGuest],
  bindings: [kvGuest, blobGuest, sqlGuest, functionGuest, queueGuest, tcpGuest],
});
