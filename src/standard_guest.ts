/**
 * The guest program as it is shipped: the guest of the `script` engine with the guest halves of all bindings, and with
 * what makes it the guest of the `wasm` engine, too.
 */
import { blobGuest } from "./bindings/blob/guest/bucket.ts";
import { cacheGuest } from "./bindings/cache/guest/caches.ts";
import { egressGuest } from "./bindings/egress/guest/fetch.ts";
import { functionGuest } from "./bindings/function/guest/stub.ts";
import { kvGuest } from "./bindings/kv/guest/namespace.ts";
import { queueGuest } from "./bindings/queue/guest/queue.ts";
import { sqlGuest } from "./bindings/sql/guest/database.ts";
import { tcpGuest } from "./bindings/tcp/guest/connector.ts";
import { startGuest } from "./engines/script/guest/main.ts";
import { wasmAdapter } from "./engines/wasm/guest/adapter.ts";

startGuest({
  globals: [egressGuest, cacheGuest],
  bindings: [kvGuest, blobGuest, sqlGuest, functionGuest, queueGuest, tcpGuest],
  adapters: [wasmAdapter],
});
