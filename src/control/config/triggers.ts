/** The tables `[[schedules]]` and `[[consumers]]`: what calls functions of the file by itself. */
import { readConsumers, readSchedules } from "../../core/trigger_rules.ts";
import { NO_TRIGGERS, type Triggers } from "../../core/triggers.ts";
import type { ValueChecks } from "./checks.ts";
import type { ConfigReport } from "./report.ts";
import { CONSUMER_RULES } from "./rules.ts";
import { type RawConfig, settingsOf } from "./schema.ts";

/** The triggers by the functions that they call. @throws {ConfigError} for the first mistake */
export function readTriggers(
  raw: RawConfig,
  functions: readonly { readonly name: string }[],
  { validateCron = () => {} }: ValueChecks,
  report: ConfigReport,
): ReadonlyMap<string, Triggers> {
  const names = new Set(functions.map(({ name }) => name));
  const found = new Map<string, Triggers>();
  for (const name of names) {
    const placed = <T extends { readonly function: string }>(all: readonly T[] | undefined) =>
      (all ?? []).map((item, at) => ({ item, at })).filter(({ item }) => item.function === name);
    const schedules = placed(raw.schedules);
    const consumers = placed(raw.consumers);
    if (schedules.length + consumers.length === 0) continue;
    const failIn =
      (table: string, all: readonly { readonly at: number }[]) => (index: number, key: string, why: string) =>
        report.fail([table, all[index]?.at ?? 0, key === "deadLetter" ? "dead_letter" : key], why);
    const saidSchedules = schedules.map(({ item }) => ({ ...item, catchUp: item.catch_up }));
    const saidConsumers = consumers.map(({ item }) => {
      return { queue: item.queue, deadLetter: item.dead_letter, ...settingsOf(CONSUMER_RULES, item) };
    });
    found.set(name, {
      schedules: readSchedules(saidSchedules, validateCron, failIn("schedules", schedules)),
      consumers: readConsumers(saidConsumers, failIn("consumers", consumers)),
    });
  }
  for (const table of ["schedules", "consumers"] as const) {
    const at = (raw[table] ?? []).findIndex((item) => !names.has(item.function));
    if (at >= 0)
      report.fail([table, at, "function"], `there is no function "${raw[table]?.[at]?.function}" in the file`);
  }
  checkConsumedOnce(found, raw, report);
  return found;
}

/** Two functions cannot both have every message of a queue. */
function checkConsumedOnce(found: ReadonlyMap<string, Triggers>, raw: RawConfig, report: ConfigReport): void {
  const owners = new Map<string, string>();
  for (const [name, { consumers }] of found) {
    for (const { queue } of consumers) {
      const other = owners.get(queue);
      const at = (raw.consumers ?? []).findIndex((item) => item.function === name && item.queue === queue);
      if (other !== undefined)
        report.fail(["consumers", at, "queue"], `function "${other}" consumes "${queue}" already`);
      owners.set(queue, name);
    }
  }
}

/** The triggers of one function. */
export function triggersOf(all: ReadonlyMap<string, Triggers>, name: string): Triggers {
  return all.get(name) ?? NO_TRIGGERS;
}
