/** The databases of PostgreSQL that a project names: by what is deployed, and by the plans of its callers. */
import { type BindingDeclaration, isPostgres, type SecretUrl } from "../../core/binding_kinds.ts";
import type { DatabaseUrls, NamedDatabase } from "../../core/database_urls.ts";
import { IsopodError } from "../../core/errors.ts";
import { DEFAULT_PROJECT } from "../../core/function.ts";
import type { Published } from "../publish/published.ts";
import type { Replica } from "../publish/replica.ts";
import type { SecretBox } from "../tenancy/secret_box.ts";
import { declarationsOf } from "./version_bindings.ts";

/** What it takes to find them. */
export interface ProjectDatabasesParts {
  readonly replica: Replica;
  readonly published: Published;
  readonly box: SecretBox;
}

/** The databases. */
export class ProjectDatabases implements DatabaseUrls {
  readonly #parts: ProjectDatabasesParts;

  constructor(parts: ProjectDatabasesParts) {
    this.#parts = parts;
  }

  ofSecret(project: string, secret: string): SecretUrl {
    const { replica, box } = this.#parts;
    const known = replica.get("secrets", project, secret);
    if (known === undefined) {
      const message = `Cannot use the database: project "${project}" has no secret "${secret}"`;
      throw new IsopodError("binding_failed", { message });
    }
    return { url: box.open(project, secret, known.value), isTrusted: false };
  }

  async named(project: string): Promise<readonly NamedDatabase[]> {
    const declared = [...this.#ofPlans(project), ...this.#ofStored(project), ...(await this.#ofFile(project))];
    const byName = new Map<string, BindingDeclaration[]>();
    for (const each of declared.filter(isPostgres)) {
      byName.set(each.resource, [...(byName.get(each.resource) ?? []), each]);
    }
    return [...byName].map(([name, all]) => ({ name, secretUrl: this.#onlyUrl(project, all) }));
  }

  /** Who may write and see every table stands for a name, rather than who may only read. */
  #onlyUrl(project: string, all: readonly BindingDeclaration[]): SecretUrl | undefined {
    const rank = ({ mode, options }: BindingDeclaration) => (mode === "read" ? 1 : 0) + ("tables" in options ? 2 : 0);
    const best = Math.min(...all.map(rank));
    const urls = new Map<string, SecretUrl>();
    for (const each of all.filter((one) => rank(one) === best)) {
      const { secret } = each.options;
      const found = each.secretUrl ?? (typeof secret === "string" ? this.ofSecret(project, secret) : undefined);
      if (found !== undefined) urls.set(`${found.isTrusted} ${found.url}`, found);
    }
    return urls.size === 1 ? [...urls.values()][0] : undefined;
  }

  async #ofFile(project: string): Promise<BindingDeclaration[]> {
    const functions = this.#parts.published.file.functions.filter(({ version }) => version.project === project);
    const contents = await Promise.all(functions.map(({ version }) => version.contents()));
    return contents.flatMap(({ bindings }) => [...bindings.values()]);
  }

  /** A secret that a plan names is of whoever calls, who need not have it. */
  #ofPlans(project: string): BindingDeclaration[] {
    const { replica, published } = this.#parts;
    const all = [...published.callers.plans.values()].flatMap(({ bindings }) => [...bindings.values()]);
    return all.filter(({ secretUrl, options: { secret } }) =>
      secretUrl === undefined
        ? typeof secret === "string" && replica.get("secrets", project, secret) !== undefined
        : project === DEFAULT_PROJECT,
    );
  }

  #ofStored(project: string): BindingDeclaration[] {
    const { replica } = this.#parts;
    return replica.all("functions", project).flatMap(({ key, value }) => {
      const [, , name = ""] = key;
      const versions = Object.values(value.aliases).flatMap(({ targets }) => targets.map(({ version }) => version));
      return [...new Set(versions)].flatMap((version) => {
        const settings = replica.get("versions", project, name, version)?.value.settings;
        return [...declarationsOf(settings?.bindings, `Cannot read "${name}"`).values()];
      });
    });
  }
}
