/**
 * Deploys: a version, the alias that stands for it and the routes that lead there, in one move of the function's
 * pointer. Before it moves nothing is visible; after it has, the next request sees everything.
 */
import { PRODUCTION } from "../../core/deployment.ts";
import { IsopodError } from "../../core/errors.ts";
import type { Store } from "../../core/store.ts";
import type { Published } from "../publish/published.ts";
import type { Replica } from "../publish/replica.ts";
import type { Audit } from "../tenancy/audit.ts";
import { checkQuota } from "../tenancy/quotas.ts";
import { type Expected, movePointer, type PointerMove } from "./pointers.ts";
import type { FunctionRecord } from "./records.ts";
import { claimRoutes, releaseRoutes } from "./route_claims.ts";
import type { VersionInput, VersionOwner } from "./version_checks.ts";
import type { VersionMaker } from "./version_maker.ts";

/** Entries of a function's history. */
const HISTORY_MAX = 50;
/** Deploys at a time; each holds its files and an instance. */
const DEPLOYS_MAX = 32;

/** What is to be deployed. */
export interface DeployInput extends VersionInput {
  /** The alias that is to stand for the version. */
  readonly alias?: string | undefined;
  /** All routes of the function from now on; the same as before when left out. */
  readonly routes?: FunctionRecord["routes"] | undefined;
}

/** What became of it. */
export interface Deployed {
  readonly version: string;
  readonly record: FunctionRecord;
  readonly revision: number;
  /** Whether everything was as it is already. */
  readonly unchanged: boolean;
}

/** What deploying takes. */
export interface DeployerParts {
  readonly store: Store;
  readonly replica: Replica;
  readonly published: Published;
  readonly maker: VersionMaker;
  readonly audit: Audit;
  wallNow(): number;
}

/** The deployer. */
export class Deployer {
  readonly #parts: DeployerParts;
  #deploying = 0;

  constructor(parts: DeployerParts) {
    this.#parts = parts;
  }

  /** Deploys, and answers when this server serves it. @throws {IsopodError} for everything that can be wrong */
  async deploy(owner: VersionOwner, input: DeployInput, expected: Expected): Promise<Deployed> {
    this.#checkFunction(owner);
    if (this.#deploying >= DEPLOYS_MAX) throw new IsopodError("overloaded", { retryAfterSeconds: 1, cause: "deploys" });
    this.#deploying += 1;
    try {
      return await this.#deploy(owner, input, expected);
    } finally {
      this.#deploying -= 1;
    }
  }

  /** Makes a version that nothing stands for yet, and answers when this server knows it. */
  async create(owner: VersionOwner, input: VersionInput): Promise<string> {
    this.#checkFunction(owner);
    const { version, isNew, revision, release } = await this.#parts.maker.make(owner, input);
    release();
    const { project, name, by } = owner;
    if (isNew) await this.#parts.audit.add({ who: by, action: "version", project, what: `${name}@${version}` });
    await this.#parts.replica.reached(revision);
    return version;
  }

  /** Changes a function's routes and nothing else. @throws {IsopodError} `route_taken`, `not_found`, `changed_meanwhile` */
  async setRoutes(owner: VersionOwner, routes: FunctionRecord["routes"], expected: Expected): Promise<PointerMove> {
    await this.#claim(owner, routes);
    return this.move(owner, "routes", expected, (before) => {
      if (before === undefined)
        throw new IsopodError("not_found", { message: `There is no function "${owner.name}".` });
      checkAliases(owner.name, routes, before.aliases);
      return sameJson(routes, before.routes)
        ? before
        : { ...before, routes: [...routes], updatedAt: this.#parts.wallNow() };
    });
  }

  async #deploy(owner: VersionOwner, input: DeployInput, expected: Expected): Promise<Deployed> {
    const { alias = PRODUCTION, routes } = input;
    const { version, release } = await this.#parts.maker.make(owner, input);
    try {
      if (routes !== undefined) await this.#claim(owner, routes);
      const move = await this.move(owner, "deploy", expected, (before) => {
        const after = this.#withVersion(before, owner, alias, version, routes);
        checkAliases(owner.name, after.routes, after.aliases);
        return after;
      });
      return { version, record: move.after, revision: move.revision, unchanged: !move.changed };
    } finally {
      release();
    }
  }

  #withVersion(
    before: FunctionRecord | undefined,
    { by }: VersionOwner,
    alias: string,
    version: string,
    routes: FunctionRecord["routes"] | undefined,
  ): FunctionRecord {
    const at = this.#parts.wallNow();
    const record = before ?? { aliases: {}, routes: [], history: [], createdAt: at, updatedAt: at };
    const [only, ...others] = record.aliases[alias]?.targets ?? [];
    const stands = only?.version === version && others.length === 0;
    const sameRoutes = routes === undefined || sameJson(routes, record.routes);
    if (before !== undefined && stands && sameRoutes) return before;
    return {
      ...record,
      aliases: { ...record.aliases, [alias]: { ...record.aliases[alias], targets: [{ version, weight: 1 }] } },
      routes: [...(routes ?? record.routes)],
      history: stands ? record.history : withHistory(record.history, { alias, version, at, by }),
      updatedAt: at,
    };
  }

  async #claim(owner: VersionOwner, routes: FunctionRecord["routes"]): Promise<void> {
    const quotas = this.#parts.replica.get("projects", owner.project)?.value.quotas ?? {};
    checkQuota(owner.project, quotas, "routesMax", routes.length);
    await claimRoutes(this.#parts, owner, routesOf(routes));
  }

  /** Moves the pointer, gives up what it no longer has, audits, and waits until this server has it. */
  async move(
    owner: VersionOwner,
    action: string,
    expected: Expected,
    change: (before: FunctionRecord | undefined) => FunctionRecord | Promise<FunctionRecord>,
  ): Promise<PointerMove> {
    const { store, replica, audit } = this.#parts;
    const { project, name, by } = owner;
    const move = await movePointer(store, project, name, expected, change);
    if (!move.changed) return move;
    const { before, after, revision } = move;
    const shown = (record: FunctionRecord | undefined) => record && { aliases: record.aliases, routes: record.routes };
    const audited = audit.add({ who: by, action, project, what: name, before: shown(before), after: shown(after) });
    // A route that another deploy of the same function has given up meanwhile is ours all the same.
    await releaseRoutes(this.#parts, owner, routesOf(before?.routes ?? []));
    await Promise.all([audited, replica.reached(revision)]);
    return move;
  }

  #checkFunction({ project, name }: VersionOwner): void {
    const { published, replica } = this.#parts;
    if (published.isOfFile(project, name)) {
      const message = `Cannot deploy "${name}": a function of the configuration file has this name`;
      throw new IsopodError("name_taken", { message });
    }
    const own = replica.get("projects", project);
    if (replica.get("functions", project, name) !== undefined) return;
    const count = replica.all("functions", project).length;
    checkQuota(project, own?.value.quotas ?? {}, "functionsMax", count + 1);
  }
}

/** A history with one entry more, and bounded. */
export function withHistory(
  history: FunctionRecord["history"],
  entry: FunctionRecord["history"][number],
): FunctionRecord["history"] {
  return [...history, entry].slice(-HISTORY_MAX);
}

/** @throws {IsopodError} `bad_request` when a route leads to an alias that is not there */
export function checkAliases(name: string, routes: FunctionRecord["routes"], aliases: FunctionRecord["aliases"]): void {
  for (const { route, alias } of routes) {
    if (Object.hasOwn(aliases, alias)) continue;
    throw new IsopodError("bad_request", {
      message: `Function "${name}" has no alias "${alias}", to which "${route}" leads`,
    });
  }
}

function routesOf(routes: FunctionRecord["routes"]): string[] {
  return routes.map(({ route }) => route);
}

function sameJson(first: unknown, second: unknown): boolean {
  return JSON.stringify(first) === JSON.stringify(second);
}
