/** The binding keeps what every binding owes the host. */
import type { BindingGrant } from "../../core/binding_kinds.ts";
import { systemClock } from "../../core/clock.ts";
import type { Dialler } from "../../core/dialler.ts";
import { IsopodError } from "../../core/errors.ts";
import { bindingCall, describeBinding } from "../../testing/binding-suite.ts";
import { endlessBody } from "../../testing/kv_rig.ts";
import { openRealDialler } from "../../testing/real_dialler.ts";
import { startTcpServer } from "../../testing/tcp_server.ts";

import { createTcp } from "./binding.ts";

/** The port of an address that answers to nobody, not even that it is not there. */
const NOBODY = "nobody.example:1";

describeBinding("tcp", async () => {
  const [short, endless] = await Promise.all([
    startTcpServer((socket) => socket.end("hello")),
    startTcpServer((socket) => void socket.write("on and on")),
  ]);
  const real = openRealDialler();
  const dialler: Dialler = {
    dial: (target, allow, signal) =>
      target.host === "nobody.example"
        ? new Promise((_, reject) => signal.addEventListener("abort", () => reject(new IsopodError("egress_failed"))))
        : real.dial(target, allow, signal),
  };
  const allow = [short.address, endless.address, NOBODY];
  const grant: BindingGrant = { type: "tcp", resource: "", mode: "read-write", options: { allow }, project: "default" };
  const to = (address: string) => bindingCall(address, { method: "CONNECT", body: endlessBody() });
  return {
    ...{ binding: createTcp({ dialler, clock: systemClock }), grant, countsRequests: true },
    ...{ good: to(short.address), denied: to("127.0.0.1:9"), silent: to(NOBODY), endless: to(endless.address) },
    gone: () => endless.empty(),
    async close() {
      await Promise.all([short, endless].map((each) => each[Symbol.asyncDispose]()));
    },
  };
});
