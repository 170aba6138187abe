/** The secrets of projects: set, named, replaced, deleted; their values leave only into instances. */
import { IsopodError } from "../../core/errors.ts";
import type { Store } from "../../core/store.ts";
import type { Expected } from "../deploy/pointers.ts";
import { readJson, secretRecord } from "../deploy/records.ts";
import { changeRecord, deleteRecord } from "../deploy/stored_records.ts";
import { secretNamesOf } from "../deploy/version_bindings.ts";
import type { Replica } from "../publish/replica.ts";
import type { Audit } from "./audit.ts";
import { checkQuota } from "./quotas.ts";
import type { SecretBox } from "./secret_box.ts";

/** What is told of a secret. */
export interface SecretInfo {
  readonly name: string;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly revision: number;
  /** Functions of which an alias stands for a version that has it. */
  readonly usedBy: string[];
}

/** What secrets take. */
export interface SecretParts {
  readonly store: Store;
  readonly replica: Replica;
  readonly audit: Audit;
  readonly box: SecretBox;
  wallNow(): number;
}

/** The secrets. */
export class ProjectSecrets {
  readonly #parts: SecretParts;

  constructor(parts: SecretParts) {
    this.#parts = parts;
  }

  list(project: string): SecretInfo[] {
    const { replica } = this.#parts;
    const secrets = replica.all("secrets", project).map(({ key, value, revision }) => {
      const { createdAt, updatedAt } = value;
      const name = key[2] ?? "";
      return { name, createdAt, updatedAt, revision, usedBy: this.#usersOf(project, name) };
    });
    return secrets.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Sets a value; instances that have the one of before are replaced. @throws {IsopodError} `quota_exceeded` */
  async set(by: string, project: string, name: string, value: string, expected: Expected): Promise<number> {
    const { store, replica, audit, box } = this.#parts;
    const own = replica.all("secrets", project);
    const known = replica.get("secrets", project, name);
    const quotas = replica.get("projects", project)?.value.quotas ?? {};
    if (known === undefined) checkQuota(project, quotas, "secretsMax", own.length + 1);
    const revision = await changeRecord(store, keyOf(project, name), expected, `secret "${name}"`, (before) => {
      const now = this.#parts.wallNow();
      const createdAt = secretRecord.safeParse(before && readJson(before)).data?.createdAt ?? now;
      return { ...box.seal(project, name, value), createdAt, updatedAt: now };
    });
    await audit.add({ who: by, action: "secret", project, what: name });
    await replica.reached(revision);
    return revision;
  }

  /** @throws {IsopodError} `in_use` when a version that an alias stands for has it */
  async delete(by: string, project: string, name: string, expected: Expected): Promise<void> {
    const [user] = this.#usersOf(project, name);
    if (user !== undefined) {
      throw new IsopodError("in_use", { message: `Cannot delete secret "${name}": function "${user}" has it` });
    }
    const revision = await deleteRecord(this.#parts.store, keyOf(project, name), expected, `secret "${name}"`);
    await this.#parts.audit.add({ who: by, action: "secret-delete", project, what: name });
    await this.#parts.replica.reached(revision);
  }

  /** Encrypts again with the first key what another key has encrypted; how many secrets that were. */
  async rotate(by: string): Promise<{ rotated: number; unreadable: number }> {
    const { store, replica, audit, box } = this.#parts;
    const counts = { rotated: 0, unreadable: 0 };
    for (const { key } of replica.all("secrets")) {
      const [, project = "", name = ""] = key;
      try {
        await changeRecord(store, key, undefined, `secret "${name}"`, (before) => {
          const record = secretRecord.safeParse(before && readJson(before)).data;
          if (record === undefined || box.isCurrent(record)) throw new Unchanged();
          return { ...record, ...box.seal(project, name, box.open(project, name, record)) };
        });
        counts.rotated += 1;
      } catch (error) {
        if (!(error instanceof Unchanged)) counts.unreadable += 1;
      }
    }
    await audit.add({ who: by, action: "secrets-rotate", what: "secrets", after: counts });
    return counts;
  }

  #usersOf(project: string, secret: string): string[] {
    const { replica } = this.#parts;
    return replica.all("functions", project).flatMap(({ key, value }) => {
      const name = key[2] ?? "";
      const used = Object.values(value.aliases)
        .flatMap(({ targets }) => targets)
        .some(({ version }) => {
          const settings = replica.get("versions", project, name, version)?.value.settings;
          return settings !== undefined && secretNamesOf(settings).includes(secret);
        });
      return used ? [name] : [];
    });
  }
}

class Unchanged extends Error {
  override name = "Unchanged";
}

function keyOf(project: string, name: string): readonly string[] {
  return ["secrets", project, name];
}
