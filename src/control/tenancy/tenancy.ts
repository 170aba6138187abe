/** Projects, and the plans of callers: what a tenant is and gets. */
import { IsopodError } from "../../core/errors.ts";
import { DEFAULT_PROJECT } from "../../core/function.ts";
import { ANONYMOUS, type Plan } from "../../core/plan.ts";
import type { Store } from "../../core/store.ts";
import type { Expected } from "../deploy/pointers.ts";
import { planRecord, projectRecord, type RecordOf, readJson } from "../deploy/records.ts";
import { changeRecord, deleteRecord } from "../deploy/stored_records.ts";
import { declarationsOf } from "../deploy/version_bindings.ts";
import type { Replica } from "../publish/replica.ts";
import type { Audit } from "./audit.ts";

/** What a project is set to. */
export type ProjectSettings = Partial<Pick<RecordOf<"projects">, "limits" | "quotas" | "egressInside">>;

const PROJECTS_MAX = 10_000;

/** What tenancy takes. */
export interface TenancyParts {
  readonly store: Store;
  readonly replica: Replica;
  readonly audit: Audit;
  /** The plans of the configuration file. */
  filePlans(): ReadonlyMap<string, Plan>;
  /** The plans of the configuration file's keys and of the store's. */
  plansInUse(): ReadonlySet<string>;
  /** Removes what bindings keep for a project. */
  removeData(project: string): Promise<void>;
  wallNow(): number;
}

/** Projects and plans. */
export class Tenancy {
  readonly #parts: TenancyParts;

  constructor(parts: TenancyParts) {
    this.#parts = parts;
  }

  /** Makes the default project where there is none. */
  async ensureDefault(): Promise<void> {
    const { store, replica } = this.#parts;
    if (replica.get("projects", DEFAULT_PROJECT) !== undefined) return;
    const record = { createdAt: this.#parts.wallNow(), quotas: {} };
    const written = changeRecord(store, ["projects", DEFAULT_PROJECT], undefined, "project", (before) =>
      before === undefined ? record : readJson(before),
    );
    await replica.reached(await written);
  }

  /** @throws {IsopodError} `name_taken` */
  async createProject(by: string, project: string, settings: ProjectSettings): Promise<number> {
    const { replica } = this.#parts;
    if (replica.all("projects").length >= PROJECTS_MAX) {
      throw new IsopodError("quota_exceeded", { message: `A server has ${PROJECTS_MAX} projects at the most` });
    }
    // What a server that died while it deleted a project of this name has left is not the new one's.
    if (replica.get("projects", project) === undefined) await this.#parts.removeData(project);
    return this.#written(
      by,
      "project-create",
      project,
      changeRecord(this.#parts.store, ["projects", project], undefined, `project "${project}"`, (before) => {
        if (before !== undefined)
          throw new IsopodError("name_taken", { message: `There is a project "${project}" already` });
        return { createdAt: this.#parts.wallNow(), quotas: {}, ...settings };
      }),
      settings,
    );
  }

  /** @throws {IsopodError} `not_found`, `changed_meanwhile` */
  async changeProject(by: string, project: string, settings: ProjectSettings, expected: Expected): Promise<number> {
    const write = changeRecord(this.#parts.store, ["projects", project], expected, `project "${project}"`, (before) => {
      const record = projectRecord.safeParse(before && readJson(before)).data;
      if (record === undefined) throw new IsopodError("not_found", { message: `There is no project "${project}".` });
      return { ...record, ...settings };
    });
    return this.#written(by, "project-change", project, write, settings);
  }

  /** @throws {IsopodError} `in_use` when anything of it is left */
  async deleteProject(by: string, project: string, expected: Expected): Promise<void> {
    const { store, replica } = this.#parts;
    if (project === DEFAULT_PROJECT) throw new IsopodError("in_use", { message: "The default project always exists" });
    const left = [
      ...replica.all("functions", project).map(({ key }) => `function "${key[2]}"`),
      ...replica.all("secrets", project).map(({ key }) => `secret "${key[2]}"`),
      ...replica
        .all("keys")
        .filter(({ value }) => value.project === project)
        .map(({ value }) => `key ${value.prefix}`),
    ];
    if (left.length > 0) {
      const message = `Cannot delete project "${project}": it has ${left.slice(0, 5).join(", ")}${left.length > 5 ? ", …" : ""}`;
      throw new IsopodError("in_use", { message });
    }
    await this.#written(
      by,
      "project-delete",
      project,
      deleteRecord(store, ["projects", project], expected, `project "${project}"`),
    );
    await this.#parts.removeData(project);
  }

  /** @throws {IsopodError} `name_taken` when the file has a plan of this name */
  async setPlan(by: string, name: string, plan: RecordOf<"plans">, expected: Expected): Promise<number> {
    this.#notOfFile(name);
    declarationsOf(plan.bindings, `Cannot set plan "${name}"`);
    const write = changeRecord(this.#parts.store, ["plans", name], expected, `plan "${name}"`, () =>
      planRecord.parse(plan),
    );
    return this.#written(by, "plan", undefined, write, plan, name);
  }

  /** @throws {IsopodError} `in_use` when a key names it */
  async deletePlan(by: string, name: string, expected: Expected): Promise<void> {
    this.#notOfFile(name);
    if (this.#parts.plansInUse().has(name)) {
      throw new IsopodError("in_use", { message: `Cannot delete plan "${name}": there are keys of it` });
    }
    const write = deleteRecord(this.#parts.store, ["plans", name], expected, `plan "${name}"`);
    await this.#written(by, "plan-delete", undefined, write, undefined, name);
  }

  #notOfFile(name: string): void {
    if (!this.#parts.filePlans().has(name) && name !== ANONYMOUS) return;
    throw new IsopodError("name_taken", { message: `Plan "${name}" is of the configuration file; change it there` });
  }

  async #written(
    by: string,
    action: string,
    project: string | undefined,
    write: Promise<number>,
    after?: unknown,
    what = project ?? "",
  ): Promise<number> {
    const revision = await write;
    const { audit, replica } = this.#parts;
    await Promise.all([audit.add({ who: by, action, project, what, after }), replica.reached(revision)]);
    return revision;
  }
}
