/** What is said where no sandbox can be made: the package or the setting, by what bubblewrap said and the kernel has. */
import { expect, test } from "bun:test";
import { explain, probeSandbox } from "./sandbox_probe.ts";

const NO_NAMESPACE = "bwrap: No permissions to create new namespace, likely because the kernel does not allow it";

const cases: readonly (readonly [name: string, said: string, settings: Record<string, string>, mend: RegExp])[] = [
  [
    "none allowed",
    NO_NAMESPACE,
    { "/proc/sys/user/max_user_namespaces": "0" },
    /^sysctl -w user\.max_user_namespaces=/,
  ],
  [
    "Debian's switch",
    NO_NAMESPACE,
    { "/proc/sys/kernel/unprivileged_userns_clone": "0" },
    /unprivileged_userns_clone=1/,
  ],
  [
    "AppArmor",
    "bwrap: setting up uid map: Permission denied",
    { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1" },
    /apparmor_restrict_unprivileged_userns=0/,
  ],
  ["a container", NO_NAMESPACE, { "/.dockerenv": "" }, /--security-opt seccomp=unconfined/],
  [
    "a masked /proc",
    "bwrap: Can't mount proc on /newroot/proc: Operation not permitted",
    { "/.dockerenv": "" },
    /systempaths=unconfined/,
  ],
  ["an old bubblewrap", "bwrap: Unknown option --disable-userns", {}, /0\.8\.0 or newer/],
  ["no seccomp", "bwrap: prctl(PR_SET_SECCOMP) EINVAL", {}, /CONFIG_SECCOMP_FILTER/],
  ["too few uids", "cannot become uid 1879048192: EINVAL", {}, /as an ordinary user, or map the uids/],
  ["anything else", NO_NAMESPACE, {}, /CONFIG_USER_NS/],
];

for (const [name, said, settings, mend] of cases) {
  test(`what is in the way is named: ${name}`, () => {
    const obstacle = explain(said, (path) => settings[path]);
    expect(obstacle.mend).toMatch(mend);
    expect(obstacle.found).toContain(said.replace(/^.*\n/s, ""));
  });
}

test("a sandbox can be made where these tests run", async () => {
  expect(await probeSandbox()).toBeUndefined();
});
