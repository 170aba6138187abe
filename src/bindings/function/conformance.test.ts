/** The binding keeps what every binding owes the host; and what its calls carry cannot be said by who makes them. */
import { expect, test } from "bun:test";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import { bindingCall, describeBinding, fakeScope, userErrorOf } from "../../testing/binding-suite.ts";
import { FunctionRig } from "../../testing/function_rig.ts";
import { createFunctionBinding } from "./binding.ts";

const GRANT: BindingGrant = { type: "function", resource: "back", mode: "read-write", options: {}, project: "default" };

describeBinding("function", async () => {
  const rig = new FunctionRig();
  return {
    binding: createFunctionBinding(rig.caller),
    ...{ countsRequests: true, grant: GRANT, good: bindingCall("http://back/"), denied: bindingCall("ftp://back/") },
    ...{ silent: bindingCall("http://back/silent"), endless: bindingCall("http://back/endless") },
    ...{ gone: () => rig.gone(), close: async () => {} },
  };
});

test("the host says who calls, how deep and until when, whatever the headers say", async () => {
  const rig = new FunctionRig();
  const binding = createFunctionBinding(rig.caller);
  const scope = { ...fakeScope(), depth: 3, deadline: Date.now() + 500, functionName: "front" };
  const headers: [string, string][] = [
    ...[
      ["Isopod-Caller", "function:admin"],
      ["isopod-depth", "0"],
      ["Connection", "close"],
      ["te", "x"],
    ],
    ...[
      ["Transfer-Encoding", "chunked"],
      ["x-own", "1"],
      ["authorization", "Bearer own"],
    ],
  ] as [string, string][];
  await binding.call(bindingCall("http://anything.example/", { headers }), GRANT, scope);
  const [{ request, target }] = rig.asked as [(typeof rig.asked)[number]];
  const sent = Object.fromEntries(request.headers);
  expect(sent).toEqual({
    ...{ "isopod-depth": "0", "x-own": "1", authorization: "Bearer own", "isopod-caller": "function:front" },
  });
  expect(request).toMatchObject({ depth: 4, url: "http://anything.example/" });
  expect(target.limits.wallMs).toBeWithin(1, 501);
  const late = { ...scope, deadline: Date.now() - 1000 };
  await binding.call(bindingCall("http://back/"), GRANT, late);
  expect(rig.asked[1]?.target.limits.wallMs).toBe(1);
  const unhurried = { ...scope, deadline: Date.now() + 1e6 };
  await binding.call(bindingCall("http://back/"), GRANT, unhurried);
  expect(rig.asked[2]?.target.limits.wallMs).toBe(10_000);
});

test("calls stand 8 deep and not 9", async () => {
  const rig = new FunctionRig();
  const binding = createFunctionBinding(rig.caller);
  const call = (depth: number) => binding.call(bindingCall("http://back/"), GRANT, { ...fakeScope(), depth });
  expect((await call(7)).status).toBe(200);
  const { code, details } = await userErrorOf(call(8));
  expect([code, details.limit]).toEqual(["call_depth", { name: "callDepthMax", value: 8 }]);
});

test("garbage instead of an address or a method is refused by name, and reaches no function", async () => {
  const rig = new FunctionRig();
  const binding = createFunctionBinding(rig.caller);
  const bad = ["", "http:", "http://", "http:///x", "https://[", "ws://x/", "file:///etc/passwd", "data:,x", "\0"];
  const methods = ["rpc:", "rpc:%", "rpc:%ff", `rpc:${"m".repeat(257)}`, "rpc:%ed%a0%80"];
  for (const url of [...bad, ...methods]) {
    expect((await userErrorOf(binding.call(bindingCall(url), GRANT, fakeScope()))).code).toBe("bad_request");
  }
  const headers = [["UPGRADE", "websocket"]] as const;
  const upgrade = await userErrorOf(binding.call(bindingCall("http://back/", { headers }), GRANT, fakeScope()));
  expect(upgrade.message).toContain("WebSockets");
  expect(rig.asked).toEqual([]);
});

test("a path is one of the function that is bound, whatever it looks like", async () => {
  const rig = new FunctionRig();
  const binding = createFunctionBinding(rig.caller);
  for (const path of ["/a?b", "//other.example/", "/@other:80/", "/../%2e%2e/"]) {
    await binding.call(bindingCall(path), GRANT, fakeScope());
    expect(new URL(rig.asked.at(-1)?.request.url ?? "").host).toBe("back");
    expect(rig.asked.at(-1)?.request.url).toBe(`http://back${path}`);
  }
});

test("another project's function, one that is not there and an alias that is not there are not found", async () => {
  const binding = createFunctionBinding(new FunctionRig().caller);
  const call = (more: Partial<BindingGrant>) =>
    userErrorOf(binding.call(bindingCall("http://back/"), { ...GRANT, ...more }, fakeScope()));
  expect(await call({ project: "other" })).toMatchObject({ code: "not_found" });
  expect((await call({ resource: "nobody" })).message).toContain('"nobody"');
  expect((await call({ options: { alias: "canary" } })).message).toContain('no alias "canary"');
});
