/** The binding keeps what every binding owes the host, and refuses what no correct guest sends. */
import { expect, test } from "bun:test";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import type { OutgoingMessage, QueueSender } from "../../core/triggers.ts";
import { bindingCall, describeBinding, fakeScope, userErrorOf } from "../../testing/binding-suite.ts";
import { endlessBody } from "../../testing/kv_rig.ts";
import { createQueueBinding } from "./binding.ts";

const GRANT: BindingGrant = { type: "queue", resource: "jobs", mode: "read-write", options: {}, project: "default" };

/** Takes what is sent, and says to whom it was. */
class FakeSender implements QueueSender {
  readonly sent: (readonly [project: string, queue: string, messages: readonly OutgoingMessage[]])[] = [];

  async send(project: string, queue: string, messages: readonly OutgoingMessage[]): Promise<string[]> {
    this.sent.push([project, queue, messages]);
    return messages.map((_, at) => String(at));
  }
}

const send = (body: unknown, url = "/messages") => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return bindingCall(url, { method: "POST", body: new Response(text).body });
};

describeBinding("queue", async () => ({
  ...{ binding: createQueueBinding(new FakeSender()), grant: GRANT, countsRequests: false },
  ...{ good: send([{ type: "text", body: "x" }]), denied: send([], "/other") },
  silent: bindingCall("/messages", { method: "POST", body: endlessBody() }),
  ...{ gone: async () => {}, close: async () => {} },
}));

test("garbage is refused by name, and reaches no queue", async () => {
  const sender = new FakeSender();
  const binding = createQueueBinding(sender);
  const bad = ["", "{", "null", "{}", "[1]", "[null]", '[{"type":"v8","body":""}]', '[{"type":"text","body":1}]'];
  for (const text of [...bad, '[{"type":"text"}]', '[{"type":"text","body":"","delayMs":"1"}]']) {
    expect((await userErrorOf(binding.call(send(text), GRANT, fakeScope()))).code).toBe("bad_request");
  }
  for (const url of ["", "/", "/messages/", "/messages?queue=other", "//messages", "/../messages"]) {
    expect((await userErrorOf(binding.call(send([], url), GRANT, fakeScope()))).code).toBe("bad_request");
  }
  const endless = new ReadableStream<Uint8Array>({ pull: (to) => to.enqueue(new Uint8Array(65_536)) });
  const call = bindingCall("/messages", { method: "POST", body: endless });
  expect((await userErrorOf(binding.call(call, GRANT, fakeScope()))).message).toContain("at most 2097152 bytes");
  expect(sender.sent).toEqual([]);
});

test("which queue of which project it is, the grant says alone", async () => {
  const sender = new FakeSender();
  const messages = [{ type: "json", body: "1", delayMs: 5, project: "other", queue: "other", resource: "other" }];
  await createQueueBinding(sender).call(send(messages), GRANT, fakeScope());
  expect(sender.sent).toEqual([["default", "jobs", [{ type: "json", body: "1", delayMs: 5 }]]]);
});
