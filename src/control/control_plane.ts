/**
 * The control plane, joined: opens what the store holds, publishes it, and has everything at hand that changes it.
 *
 * It knows neither gateway nor pool; what it takes of them it is given.
 */
import type { Clock } from "../core/clock.ts";
import type { Deployment } from "../core/deployment.ts";
import type { FunctionVersion, Language } from "../core/function.ts";
import type { Limits } from "../core/limits.ts";
import type { Store } from "../core/store.ts";
import type { WasmPreparer } from "../core/wasm_program.ts";
import { AliasMoves } from "./deploy/alias_moves.ts";
import { Deployer } from "./deploy/deployer.ts";
import { ProjectDatabases } from "./deploy/project_databases.ts";
import type { AuditRecord } from "./deploy/records.ts";
import { Removals } from "./deploy/removals.ts";
import { StoredVersions } from "./deploy/stored_versions.ts";
import { VersionMaker } from "./deploy/version_maker.ts";
import type { Build } from "./loading/build.ts";
import { type FileDeployment, Published } from "./publish/published.ts";
import { type RecordChange, Replica } from "./publish/replica.ts";
import { ApiKeys } from "./tenancy/api_keys.ts";
import { Audit } from "./tenancy/audit.ts";
import { ProjectSecrets } from "./tenancy/project_secrets.ts";
import type { SecretBox } from "./tenancy/secret_box.ts";
import { SigningPairs } from "./tenancy/signing_pairs.ts";
import { Tenancy } from "./tenancy/tenancy.ts";

/** A program that came with a request and can be promoted. */
export interface KnownProgram {
  readonly code: string;
  readonly language: Language;
}

/** What the control plane is made of. */
export interface ControlPlaneParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly box: SecretBox;
  readonly build: Build;
  readonly components: WasmPreparer;
  /** What the configuration says at the start. */
  readonly file: FileDeployment;
  /** Loads a version into an instance that stays. */
  prepare(version: FunctionVersion): Promise<void>;
  /** The keys of the versions that have instances. */
  runningKeys(): readonly string[];
  /** Hears of each new deployment, but not of the first. */
  publish(deployment: Deployment): void;
  validateEgress(rule: string): void;
  /** Whether an entry of an egress list names addresses that are not public. */
  reachesInside(rule: string): boolean;
  validateHost(host: string): void;
  validateCron(cron: string, timezone: string): void;
  /** Removes what bindings keep for a project. */
  removeData(project: string): Promise<void>;
  /** The largest values of limits that the server is set up for. */
  readonly largest: Partial<Limits>;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The control plane. */
export interface ControlPlane {
  readonly replica: Replica;
  readonly published: Published;
  readonly deployer: Deployer;
  readonly maker: VersionMaker;
  readonly aliases: AliasMoves;
  readonly removals: Removals;
  readonly secrets: ProjectSecrets;
  readonly keys: ApiKeys;
  readonly pairs: SigningPairs;
  readonly tenancy: Tenancy;
  readonly audit: Audit;
  readonly databases: ProjectDatabases;
  readonly store: Store;
  /** Hears of everything that is audited, until the returned function is called. */
  onAudit(listener: (entry: AuditRecord) => void): () => void;
  close(): Promise<void>;
}

/** Opens it; what the store holds is published from then on. @throws {Error} when the store cannot be read */
export async function openControlPlane(parts: ControlPlaneParts): Promise<ControlPlane> {
  const { store, clock, box, report } = parts;
  const listeners = new Set<(entry: AuditRecord) => void>();
  let published: Published | undefined;
  const replica = new Replica(store, clock, {
    changed: (changes: readonly RecordChange[]) => published?.changed(changes),
    audited: (entry) => {
      for (const listener of listeners) listener(entry);
    },
    report,
  });
  await replica.open();
  const versions = new StoredVersions(store.blobs, replica, box, parts.components);
  const own = new Published(
    { replica, versions, publish: (deployment) => parts.publish(deployment), report },
    parts.file,
  );
  published = own;
  const wallNow = () => clock.wallNow();
  const audit = new Audit(store, clock, report);
  const { build, prepare, validateEgress, reachesInside, validateHost, validateCron, largest, runningKeys } = parts;
  const base = { store, replica, audit, wallNow };
  const maker = new VersionMaker({
    ...base,
    versions,
    build,
    prepare,
    plans: () => own.callers.plans,
    validateEgress,
    reachesInside,
    validateHost,
    validateCron,
    largest,
  });
  const deployer = new Deployer({ ...base, published: own, maker });
  const tenancy = new Tenancy({
    ...base,
    filePlans: () => own.file.plans,
    removeData: (project) => parts.removeData(project),
    plansInUse: () => new Set(own.callers.keys.map(({ plan }) => plan)),
  });
  await tenancy.ensureDefault();
  return {
    ...{ store, replica, published: own, deployer, maker, tenancy, audit },
    aliases: new AliasMoves({ replica, maker, deployer, wallNow }),
    removals: new Removals({ ...base, published: own, runningKeys }),
    secrets: new ProjectSecrets({ ...base, box }),
    pairs: new SigningPairs({ ...base, box }),
    databases: new ProjectDatabases({ replica, published: own, box }),
    keys: new ApiKeys({ ...base, box, planNames: () => [...own.callers.plans.keys()] }),
    onAudit(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      maker.close();
      await replica.close();
    },
  };
}
