/** Who may call: the plans and keys of the configuration and of the store, those of the file first. */
import type { CallerKey } from "../../core/deployment.ts";
import type { KeyRecord, Plan } from "../../core/plan.ts";
import { declarationsOf } from "../deploy/version_bindings.ts";
import type { RecordChange, Replica } from "./replica.ts";

/** The callers. */
export interface Callers {
  readonly plans: ReadonlyMap<string, Plan>;
  readonly keys: readonly CallerKey[];
}

/** What is published of plans and keys. */
export class PublishedCallers {
  readonly #replica: Replica;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** Whether any of the changes is one of plans or keys. */
  changed(changes: readonly RecordChange[]): boolean {
    return changes.some(({ kind }) => kind === "plans" || kind === "keys");
  }

  /** All of them. */
  of(file: { readonly plans: ReadonlyMap<string, Plan>; readonly keys: readonly KeyRecord[] }): Callers {
    const plans = new Map<string, Plan>();
    for (const { key, value } of this.#replica.all("plans")) {
      const { run, limits, ratePerSecond, egress, origins, native = true } = value;
      const [, name = ""] = key;
      const bindings = declarationsOf(value.bindings, `Cannot read plan "${name}"`);
      plans.set(name, { name, run, limits, ratePerSecond, egress, bindings, origins, native });
    }
    for (const [name, plan] of file.plans) plans.set(name, plan);
    const keys: CallerKey[] = this.#replica.all("keys").map(({ key, value }) => {
      const { project, plan, scopes, expiresAt } = value;
      const may = (scope: "run" | "invoke") => scopes.includes(scope) || scopes.includes("admin");
      return { hash: key[1] ?? "", plan, project, mayRun: may("run"), mayInvoke: may("invoke"), expiresAt };
    });
    const own = file.keys.map(({ hash, plan }) => {
      return { hash, plan, project: undefined, mayRun: true, mayInvoke: true, expiresAt: undefined };
    });
    const taken = new Set(own.map(({ hash }) => hash));
    return { plans, keys: [...own, ...keys.filter(({ hash }) => !taken.has(hash))] };
  }
}
