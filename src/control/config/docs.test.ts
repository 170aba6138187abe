/** Keeps `docs/configuration.md` complete: every key stands there once with its figures, and nothing else does. */
import { expect, test } from "bun:test";
import { LIMIT_RULES, type LimitRule } from "../../core/limits.ts";
import { parseConfig } from "./file.ts";
import { MIDDLEWARE_MS_RULE } from "./middleware_rules.ts";
import { GRACE_RULE } from "./process_rules.ts";
import { CACHE_RULES, CONSUMER_RULES, FUNCTION_INSTANCES_RULE, LOGS_RULES, POOL_RULES, SERVER_RULES } from "./rules.ts";
import { allKeys, configSchema } from "./schema.ts";

const page = await Bun.file(new URL("../../../docs/configuration.md", import.meta.url)).text();

/** The cells behind each key, under the key's whole name. */
function documentedKeys(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let prefix = "";
  for (const line of page.split("\n")) {
    if (line.startsWith("#")) {
      const table = /`\[+([^\]]+)\]+`/.exec(line)?.[1];
      prefix = table === undefined ? "" : `${table}.`;
    }
    const [, key, rest] = /^\| `([^`]+)` \| (.*) \|$/.exec(line) ?? [];
    if (key === undefined || rest === undefined) continue;
    expect([`${prefix}${key} stands twice`, found.has(prefix + key)]).toEqual([`${prefix}${key} stands twice`, false]);
    found.set(prefix + key, rest.split(" | "));
  }
  return found;
}

function unitOf(key: string): string {
  const units: Readonly<Record<string, string>> = { ms: "ms", mb: "MiB", kb: "KiB", hours: "hours" };
  return units[key.split("_").at(-1) ?? ""] ?? "number";
}

function figures({ key, scale, default: standard, floor, ceiling }: LimitRule): string[] {
  return [unitOf(key), ...[standard, floor, ceiling].map((value) => String(value / scale))];
}

test("every key is documented, and every documented key is known", () => {
  expect([...documentedKeys().keys()].sort()).toEqual(allKeys(configSchema({})).sort());
});

test("every number's unit, default, floor and ceiling are those of the code", () => {
  const documented = documentedKeys();
  const tables: readonly (readonly [string, readonly LimitRule[]])[] = [
    ["plans.NAME.", [...Object.values(LIMIT_RULES), MIDDLEWARE_MS_RULE]],
    ["functions.limits.", Object.values(LIMIT_RULES)],
    ["functions.", [FUNCTION_INSTANCES_RULE, GRACE_RULE, MIDDLEWARE_MS_RULE]],
    ["server.", Object.values(SERVER_RULES)],
    ["pool.", Object.values(POOL_RULES)],
    ["cache.", Object.values(CACHE_RULES)],
    ["consumers.", Object.values(CONSUMER_RULES)],
    ["logs.", Object.values(LOGS_RULES)],
  ];
  for (const [prefix, rules] of tables) {
    for (const rule of rules) {
      const name = prefix + rule.key;
      const expected = figures(rule);
      if (name === "pool.instances") expected[1] = "by memory";
      expect([name, ...(documented.get(name)?.slice(1) ?? [])]).toEqual([name, ...expected]);
    }
  }
});

test("the examples on the page are TOML that the server knows", () => {
  const blocks = [...page.matchAll(/```toml\n(.*?)```/gs)].map(([, text = ""]) => text);
  expect(blocks.length).toBeGreaterThan(0);
  for (const block of blocks) {
    const table = block.includes("[[functions]]") ? block : `[[functions]]\nname = "x"\npath = "./hello.ts"\n${block}`;
    const file = new URL("../../../examples/isopod.toml", import.meta.url).pathname;
    expect(parseConfig(table, { file, env: { STRIPE_TOKEN: "x" } }).functions).toHaveLength(1);
  }
});
