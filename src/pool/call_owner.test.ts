/** Whose a call is that a guest makes while several invocations run. */
import { expect, test } from "bun:test";
import { InstanceRig, turns } from "../testing/instance_rig.ts";
import { FRAME } from "../wire/frame.ts";

const CALL = { n: "egress", m: "GET", u: "http://a/", h: [] };
const OK = { s: 200, h: [] };

/** Ends an invocation by its stream. */
function answer(rig: InstanceRig, stream: number): void {
  rig.guest.frame(FRAME.head, stream, OK);
  rig.guest.frame(FRAME.end, stream);
}

test("one that the guest cannot tell is of any that runs, and ends with the last of those that ran", async () => {
  const rig = await InstanceRig.loaded();
  for (let count = 0; count < 3; count += 1) rig.invoke();
  rig.guest.frame(FRAME.head, 2, { ...CALL, i: 0 });
  await turns();
  const [call] = rig.binding.calls;
  // One that comes later is not asked to keep it.
  rig.invoke();
  answer(rig, 1);
  answer(rig, 5);
  await turns();
  expect(call?.signal.aborted).toBe(false);
  answer(rig, 3);
  await turns();
  expect(call?.signal.aborted).toBe(true);
  expect(rig.instance.alive).toBe(true);
});

test("one that names its invocation ends with that, whoever else runs", async () => {
  const rig = await InstanceRig.loaded();
  for (let count = 0; count < 2; count += 1) rig.invoke();
  rig.guest.frame(FRAME.head, 2, { ...CALL, i: 3 });
  await turns();
  expect(rig.binding.calls[0]?.requestId).toBe("r2");
  answer(rig, 3);
  await turns();
  expect(rig.binding.calls[0]?.signal.aborted).toBe(true);
});

test("those that nobody can tell are charged in turn, and refused when nothing runs", async () => {
  const rig = await InstanceRig.loaded();
  const started = [rig.invoke(), rig.invoke()];
  for (let stream = 2; stream <= 8; stream += 2) {
    rig.guest.frame(FRAME.head, stream, { ...CALL, i: 0 });
    await turns();
  }
  expect(rig.binding.calls.map(({ requestId }) => requestId).sort()).toEqual(["r1", "r1", "r2", "r2"]);
  expect(started.map(({ invocation }) => invocation.calls.size)).toEqual([2, 2]);
  answer(rig, 1);
  answer(rig, 3);
  rig.guest.frame(FRAME.head, 10, { ...CALL, i: 0 });
  await turns();
  expect(rig.binding.calls).toHaveLength(4);
  expect(rig.binding.calls.every(({ signal }) => signal.aborted)).toBe(true);
});
