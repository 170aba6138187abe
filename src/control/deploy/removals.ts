/**
 * Deletes functions and versions, and collects what nobody needs: old versions by policy, then the blobs that no
 * manifest refers to.
 *
 * What an alias stands for, what has a number, what a rollback would go back to and what an instance runs is never
 * collected.
 */
import { functionKey } from "../../core/deployment.ts";
import { IsopodError } from "../../core/errors.ts";
import { Conflict, type Store } from "../../core/store.ts";
import type { Known, Replica } from "../publish/replica.ts";
import type { Audit } from "../tenancy/audit.ts";
import { checkExpected, type Expected } from "./pointers.ts";
import { type FunctionRecord, functionRecord, manifestRecord, readJson, toBytes } from "./records.ts";
import { type ClaimParts, releaseRoutes } from "./route_claims.ts";
import type { VersionOwner } from "./version_checks.ts";

/** What is kept. */
export interface CollectPolicy {
  /** The youngest versions of each function. */
  readonly versionsKept: number;
  /** Versions younger than this, in milliseconds. */
  readonly youngerThanMs: number;
  /** Blobs that were written or found within this time, in milliseconds. */
  readonly blobsYoungerThanMs: number;
}

/** What is kept when nothing else is said. */
export const COLLECT_POLICY: CollectPolicy = {
  versionsKept: 10,
  youngerThanMs: 7 * 24 * 3600 * 1000,
  blobsYoungerThanMs: 3600 * 1000,
};

/** What was collected. */
export interface Collected {
  readonly versions: number;
  readonly blobs: number;
  readonly auditEntries: number;
}

/** What removing takes. */
export interface RemovalParts extends ClaimParts {
  readonly store: Store;
  readonly replica: Replica;
  readonly audit: Audit;
  /** The keys of the versions that have instances. */
  runningKeys(): readonly string[];
}

/** Removes. */
export class Removals {
  readonly #parts: RemovalParts;

  constructor(parts: RemovalParts) {
    this.#parts = parts;
  }

  /** Deletes a function with its versions and routes. @throws {IsopodError} `not_found`, `changed_meanwhile` */
  async deleteFunction({ project, name, by }: VersionOwner, expected: Expected): Promise<void> {
    const { store, replica, audit } = this.#parts;
    const key = ["functions", project, name];
    const entry = await store.get(key, { fresh: true });
    const versions = replica.all("versions", project, name);
    const missing = entry === undefined && versions.length === 0;
    if (missing) throw new IsopodError("not_found", { message: `There is no function "${name}".` });
    checkExpected(expected, entry?.revision ?? 0, `function "${name}"`);
    let revision = 0;
    if (entry !== undefined) {
      revision = await store.delete(key, { ifRevision: entry.revision }).catch((error: unknown) => {
        if (!(error instanceof Conflict)) throw error;
        throw new IsopodError("changed_meanwhile", {
          message: `Cannot delete function "${name}": it is being changed`,
        });
      });
      const routes = functionRecord.safeParse(readJson(entry.value)).data?.routes ?? [];
      await releaseRoutes(
        this.#parts,
        { project, name },
        routes.map(({ route }) => route),
      );
    }
    for (const { key: versionKey } of versions) revision = await store.delete(versionKey);
    if (replica.get("lambda", project, name) !== undefined) revision = await store.delete(["lambda", project, name]);
    await audit.add({ who: by, action: "delete", project, what: name });
    await replica.reached(revision);
  }

  /** Deletes one version. @throws {IsopodError} `in_use` when an alias stands for it */
  async deleteVersion({ project, name, by }: VersionOwner, version: string): Promise<void> {
    const { replica, audit } = this.#parts;
    const alias = await this.#aliasOf(project, name, version);
    if (alias !== undefined) throw inUse(name, version, alias);
    const number = numberOf(replica, project, name, version);
    if (number !== undefined) throw inUse(name, version, String(number));
    const revision = await this.#removeVersion(project, name, version);
    if (revision === undefined) throw inUse(name, version, "one that was moved just now");
    await audit.add({ who: by, action: "delete-version", project, what: `${name}@${version}` });
    await replica.reached(revision);
  }

  /** Collects by policy. */
  async collect(by: string, policy: CollectPolicy): Promise<Collected> {
    const { replica, audit } = this.#parts;
    const groups = Map.groupBy(replica.all("versions"), ({ key }) => functionKey(key[1] ?? "", key[2] ?? ""));
    let versions = 0;
    for (const group of groups.values()) versions += await this.#collectVersions(group, policy);
    const blobs = await this.#collectBlobs(policy);
    const auditEntries = await audit.prune();
    if (versions + blobs > 0)
      await audit.add({ who: by, action: "collect", what: "versions", after: { versions, blobs } });
    return { versions, blobs, auditEntries };
  }

  async #collectVersions(group: readonly Known<"versions">[], policy: CollectPolicy): Promise<number> {
    const now = this.#parts.wallNow();
    const byAge = [...group].sort((a, b) => b.value.createdAt - a.value.createdAt);
    const running = new Set(this.#parts.runningKeys().map((key) => key.split("#")[0]));
    let removed = 0;
    for (const { key, value } of byAge.slice(policy.versionsKept)) {
      const [, project = "", name = "", version = ""] = key;
      if (value.createdAt + policy.youngerThanMs > now) continue;
      if (running.has(`${functionKey(project, name)}@${version}`)) continue;
      const record = this.#parts.replica.get("functions", project, name)?.value;
      if (record !== undefined && isWanted(record, version)) continue;
      if (numberOf(this.#parts.replica, project, name, version) !== undefined) continue;
      if ((await this.#removeVersion(project, name, version)) !== undefined) removed += 1;
    }
    return removed;
  }

  /** Removes a manifest; puts it back when an alias was moved to it meanwhile: undefined. */
  async #removeVersion(project: string, name: string, version: string): Promise<number | undefined> {
    const { store } = this.#parts;
    const key = ["versions", project, name, version];
    const entry = await store.get(key, { fresh: true });
    if (entry === undefined)
      throw new IsopodError("version_unknown", { message: `Function "${name}" has no version "${version}".` });
    const revision = await store.delete(key);
    if ((await this.#aliasOf(project, name, version)) === undefined) return revision;
    await store.put(key, toBytes(readJson(entry.value)));
    return undefined;
  }

  async #aliasOf(project: string, name: string, version: string): Promise<string | undefined> {
    const entry = await this.#parts.store.get(["functions", project, name], { fresh: true });
    const record = functionRecord.safeParse(entry && readJson(entry.value)).data;
    return Object.entries(record?.aliases ?? {}).find(([, alias]) =>
      alias.targets.some((each) => each.version === version),
    )?.[0];
  }

  async #collectBlobs({ blobsYoungerThanMs }: CollectPolicy): Promise<number> {
    const { store, wallNow } = this.#parts;
    const before = wallNow() - blobsYoungerThanMs;
    const old: string[] = [];
    for await (const { hash, touchedAt } of store.blobs.list()) if (touchedAt < before) old.push(hash);
    if (old.length === 0) return 0;
    const wanted = await this.#wantedBlobs();
    let removed = 0;
    for (const hash of old) if (!wanted.has(hash) && (await store.blobs.delete(hash, before))) removed += 1;
    return removed;
  }

  /** What manifests refer to, read from the store: the replica may be behind. */
  async #wantedBlobs(): Promise<Set<string>> {
    const wanted = new Set<string>();
    let after: readonly string[] | undefined;
    for (;;) {
      const page = await this.#parts.store.list(["versions"], { after });
      if (page.length === 0) return wanted;
      for (const { value } of page) {
        const manifest = manifestRecord.safeParse(readJson(value)).data;
        // What cannot be read may be of a newer server, and refers to nobody knows what.
        if (manifest === undefined)
          throw new IsopodError("internal", { cause: "a manifest cannot be read; blobs stay" });
        for (const { hash } of [...manifest.files, ...(manifest.assets ?? [])]) wanted.add(hash);
        if (manifest.bundle) wanted.add(manifest.bundle.code);
        if (manifest.bundle?.map) wanted.add(manifest.bundle.map);
      }
      after = page.at(-1)?.key;
    }
  }
}

function isWanted({ aliases, history }: FunctionRecord, version: string): boolean {
  if (Object.values(aliases).some(({ targets }) => targets.some((each) => each.version === version))) return true;
  return history.slice(-2).some((entry) => entry.version === version);
}

/** The number under which the Lambda API has published a version. */
function numberOf(replica: Replica, project: string, name: string, version: string): number | undefined {
  return replica.get("lambda", project, name)?.value.versions.find((each) => each.version === version)?.number;
}

function inUse(name: string, version: string, alias: string): IsopodError {
  return new IsopodError("in_use", {
    message: `Cannot delete version ${version} of "${name}": alias "${alias}" stands for it`,
  });
}
