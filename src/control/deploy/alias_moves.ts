/** Aliases: what they stand for, and the way back to what they stood for before. */
import { PRODUCTION } from "../../core/deployment.ts";
import { IsopodError } from "../../core/errors.ts";
import type { Replica } from "../publish/replica.ts";
import { type Deployer, withHistory } from "./deployer.ts";
import type { Expected, PointerMove } from "./pointers.ts";
import type { FunctionRecord } from "./records.ts";
import type { VersionOwner } from "./version_checks.ts";
import type { VersionMaker } from "./version_maker.ts";
import { resolveVersion } from "./version_names.ts";

/** An alias, with its versions by whatever names a version. */
export interface AliasInput {
  readonly targets: readonly { readonly version: string; readonly weight: number }[];
  readonly sticky?: FunctionRecord["aliases"][string]["sticky"];
}

/** What moving takes. */
export interface AliasParts {
  readonly replica: Replica;
  readonly maker: VersionMaker;
  readonly deployer: Deployer;
  wallNow(): number;
}

const ALIASES_MAX = 100;

/** Moves aliases. */
export class AliasMoves {
  readonly #parts: AliasParts;

  constructor(parts: AliasParts) {
    this.#parts = parts;
  }

  /** Lets an alias stand for versions; each is loaded before. @throws {IsopodError} `version_unknown`, `changed_meanwhile` */
  async set(owner: VersionOwner, alias: string, input: AliasInput, expected: Expected): Promise<PointerMove> {
    const targets = input.targets.map(({ version, weight }) => ({ version: this.resolve(owner, version), weight }));
    if (new Set(targets.map(({ version }) => version)).size < targets.length) {
      throw new IsopodError("bad_request", { message: `Cannot set alias "${alias}": a version stands twice` });
    }
    const versions = targets.map(({ version }) => version);
    return this.#whileLoaded(owner, versions, () =>
      this.#parts.deployer.move(owner, "alias", expected, async (before) => {
        const record = mustExist(before, owner);
        const next = { targets, ...(input.sticky && { sticky: input.sticky }) };
        if (JSON.stringify(record.aliases[alias]) === JSON.stringify(next)) return record;
        if (!Object.hasOwn(record.aliases, alias) && Object.keys(record.aliases).length >= ALIASES_MAX) {
          const message = `Function "${owner.name}" has ${ALIASES_MAX} aliases, the most`;
          throw new IsopodError("bad_request", { message });
        }
        await Promise.all(versions.map((version) => this.#mustStand(owner, version)));
        return this.#with(record, owner, alias, next, false);
      }),
    );
  }

  /** Removes an alias. @throws {IsopodError} `in_use` when a route leads to it */
  remove(owner: VersionOwner, alias: string, expected: Expected): Promise<PointerMove> {
    return this.#parts.deployer.move(owner, "alias-delete", expected, (before) => {
      const record = mustExist(before, owner);
      if (!Object.hasOwn(record.aliases, alias)) {
        throw new IsopodError("not_found", { message: `Function "${owner.name}" has no alias "${alias}".` });
      }
      const used = record.routes.find((each) => each.alias === alias);
      if (used !== undefined || alias === PRODUCTION) {
        const why = used === undefined ? "every function has it" : `route "${used.route}" leads to it`;
        throw new IsopodError("in_use", { message: `Cannot delete alias "${alias}" of "${owner.name}": ${why}` });
      }
      const { [alias]: _, ...aliases } = record.aliases;
      return { ...record, aliases, updatedAt: this.#parts.wallNow() };
    });
  }

  /** Goes back to `version`, or to what the alias stood for before. @throws {IsopodError} `version_unknown` */
  async rollback(
    owner: VersionOwner,
    alias: string,
    version: string | undefined,
    expected: Expected,
  ): Promise<PointerMove> {
    const known = this.#parts.replica.get("functions", owner.project, owner.name)?.value;
    const goal =
      version === undefined ? previousOf(mustExist(known, owner), alias, owner.name) : this.resolve(owner, version);
    return this.#whileLoaded(owner, [goal], () =>
      this.#parts.deployer.move(owner, "rollback", expected, async (before) => {
        const record = mustExist(before, owner);
        await this.#mustStand(owner, goal);
        const [only, ...others] = record.aliases[alias]?.targets ?? [];
        if (only?.version === goal && others.length === 0) return record;
        return this.#with(record, owner, alias, { targets: [{ version: goal, weight: 1 }] }, true);
      }),
    );
  }

  /** The version that a text names: an alias, or the beginning of a hash. @throws {IsopodError} `version_unknown`, … */
  resolve({ project, name }: Pick<VersionOwner, "project" | "name">, text: string): string {
    const { replica } = this.#parts;
    const alias = replica.get("functions", project, name)?.value.aliases[text];
    const [only, ...others] = alias?.targets ?? [];
    if (only !== undefined && others.length === 0) return only.version;
    return resolveVersion(
      text,
      name,
      replica.all("versions", project, name).map(({ key }) => key[3] ?? ""),
    );
  }

  #with(
    record: FunctionRecord,
    { by }: VersionOwner,
    alias: string,
    next: FunctionRecord["aliases"][string],
    rollback: boolean,
  ): FunctionRecord {
    const at = this.#parts.wallNow();
    const [main] = [...next.targets].sort((a, b) => b.weight - a.weight);
    const entry = { alias, version: main?.version ?? "", at, by, ...(rollback && { rollback }) };
    const aliases = { ...record.aliases, [alias]: next };
    return { ...record, aliases, history: withHistory(record.history, entry), updatedAt: at };
  }

  /** Acts while each of the versions has an instance: whoever comes next finds it warm. */
  async #whileLoaded<T>(owner: VersionOwner, versions: readonly string[], act: () => Promise<T>): Promise<T> {
    const { project, name } = owner;
    const releases: (() => void)[] = [];
    try {
      for (const version of versions) {
        const manifest = await this.#mustStand(owner, version);
        releases.push(await this.#parts.maker.tryOut(project, name, version, manifest));
      }
      return await act();
    } finally {
      for (const release of releases) release();
    }
  }

  async #mustStand({ project, name }: VersionOwner, version: string) {
    const manifest = await this.#parts.maker.read(project, name, version);
    if (manifest !== undefined) return manifest;
    throw new IsopodError("version_unknown", { message: `Function "${name}" has no version "${version}".` });
  }
}

function mustExist(record: FunctionRecord | undefined, { name }: VersionOwner): FunctionRecord {
  if (record !== undefined) return record;
  throw new IsopodError("not_found", { message: `There is no function "${name}".` });
}

/** What the alias stood for before: a rollback takes back the last move that was none, so that two go back two. */
function previousOf({ history }: FunctionRecord, alias: string, name: string): string {
  const stack: string[] = [];
  for (const entry of history) {
    if (entry.alias !== alias) continue;
    const at = entry.rollback === true ? stack.lastIndexOf(entry.version) : -1;
    if (at >= 0) stack.length = at + 1;
    else if (stack.at(-1) !== entry.version) stack.push(entry.version);
  }
  const before = stack.at(-2);
  if (before !== undefined) return before;
  throw new IsopodError("version_unknown", {
    message: `Cannot roll back "${name}": alias "${alias}" stood for nothing else before`,
  });
}
