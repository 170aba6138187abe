/** The Cache API keeps what every binding owes the host. */
import { bindingCall, describeBinding, fakeScope } from "../../testing/binding-suite.ts";
import { FakeClock } from "../../testing/fake_clock.ts";
import { endlessBody } from "../../testing/kv_rig.ts";
import { createCacheApi } from "./binding.ts";

const head = [["head", encodeURIComponent(JSON.stringify([200, []]))]] as const;

describeBinding("cache", async () => {
  const binding = createCacheApi(new FakeClock());
  const put = bindingCall("/default?https://x/", { method: "PUT", headers: head, body: new Response("x").body });
  await binding.call(put, "default/functions", fakeScope());
  return {
    ...{ binding, grant: "default/functions", countsRequests: true },
    ...{ good: bindingCall("/default?https://x/"), denied: bindingCall("/other?https://x/") },
    silent: bindingCall("/default?https://x/", { method: "PUT", headers: head, body: endlessBody() }),
    ...{ gone: async () => {}, close: async () => {} },
  };
});
