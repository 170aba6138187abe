/**
 * Versions of the store as the pool takes them: the manifest says what they are, and the code and the secrets are read
 * when an instance is loaded.
 */
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { type BindingDeclaration, grantsOf, isPostgres } from "../../core/binding_kinds.ts";
import { type BrowserProgram, PAGE_BYTES } from "../../core/browser_program.ts";
import { functionKey } from "../../core/deployment.ts";
import { IsopodError } from "../../core/errors.ts";
import { type FunctionVersion, languageOf, type Program, type VersionContents } from "../../core/function.ts";
import { combineLimits, completeLimits, type Limits } from "../../core/limits.ts";
import type { BlobStore } from "../../core/store.ts";
import type { WasmPreparer, WasmProgram } from "../../core/wasm_program.ts";
import { middlewaresOf, withHooks } from "../loading/hook_host.ts";
import { wasmProgram } from "../loading/wasm_programs.ts";
import type { Replica } from "../publish/replica.ts";
import type { SecretBox } from "../tenancy/secret_box.ts";
import { BlobTexts } from "./blob_texts.ts";
import type { Manifest } from "./records.ts";
import { AssetContents, StoredAssets } from "./stored_assets.ts";
import { hookPaths, storedHooks } from "./stored_hooks.ts";
import { storedPage } from "./stored_page.ts";
import { storedProgram, treeOf } from "./stored_program.ts";
import { declarationsOf, secretNamesOf, secretsOf, triggersOf } from "./version_bindings.ts";

/** Makes versions of manifests. */
export class StoredVersions {
  readonly #blobs: BlobStore;
  readonly #texts: BlobTexts;
  readonly #assets: AssetContents;
  readonly #replica: Replica;
  readonly #box: SecretBox;
  readonly #components: WasmPreparer;

  constructor(blobs: BlobStore, replica: Replica, box: SecretBox, components: WasmPreparer) {
    this.#blobs = blobs;
    this.#texts = new BlobTexts(blobs);
    this.#assets = new AssetContents(blobs);
    this.#replica = replica;
    this.#box = box;
    this.#components = components;
  }

  /** The version `version` of a function, with the project's limits and secrets as they are now. */
  of(project: string, name: string, version: string, manifest: Manifest): FunctionVersion {
    const { engine, settings, assets, createdAt } = manifest;
    const own = this.#replica.get("projects", project);
    const secrets = secretNamesOf(settings).map((each) => this.#replica.get("secrets", project, each)?.revision ?? 0);
    // With other secrets, or under other limits, instances that run are not what new ones would be.
    const state = [...secrets, own?.value.limits === undefined ? 0 : own.revision].filter((revision) => revision > 0);
    const made: FunctionVersion = {
      ...{ project, name, version, engine, instancesMax: settings.instancesMax, cache: settings.cache },
      key: [`${functionKey(project, name)}@${version}`, ...state].join("#"),
      limits: combineLimits(completeLimits({ ...ownDefaults(engine), ...settings.limits }), own?.value.limits ?? {}),
      triggers: triggersOf(settings, () => {}, `Cannot load "${name}"`),
      assets: assets && new StoredAssets(this.#assets, assets, settings.notFound, createdAt),
      contents: () => this.#contents(project, name, manifest),
    };
    const hooks = storedHooks(this.#blobs, manifest);
    const inline = settings.middlewares?.inline ?? [];
    if (hooks === undefined && inline.length === 0) return made;
    const dialect = engine === "process" ? (settings.process?.dialect ?? "runtime-api") : undefined;
    return { ...made, middlewares: middlewaresOf(made, dialect, hooks, inline) };
  }

  async #contents(project: string, name: string, manifest: Manifest): Promise<VersionContents> {
    const { engine, exportName, settings } = manifest;
    const own = engine === "process" ? storedProgram(this.#blobs, manifest) : await this.#code(project, manifest);
    const program = withHooks(own, storedHooks(this.#blobs, manifest));
    const env: Record<string, string> = { ...settings.env };
    const secrets: { placeholder: string; value: string; hosts: readonly string[] }[] = [];
    for (const { binding, name: secret, hosts } of secretsOf(settings)) {
      const value = this.secret(project, secret);
      const placeholder = placeholderOf(project, name, binding);
      env[binding] = hosts.length === 0 ? value : placeholder;
      if (hosts.length > 0) secrets.push({ placeholder, value, hosts });
    }
    const declared = [...declarationsOf(settings.bindings, `Cannot load "${name}"`)];
    const bindings = grantsOf(project, new Map(declared.map(([each, one]) => [each, this.#withUrl(project, one)])));
    return { program, exportName, env, egress: { allow: settings.egress, secrets }, bindings };
  }

  async #code(project: string, manifest: Manifest): Promise<Program | WasmProgram | BrowserProgram> {
    const { engine, entry } = manifest;
    const { code, map } = codeOf(manifest);
    const name = basename(entry);
    if (engine === "wasm") {
      const bytes = await this.#blobs.read(code);
      if (bytes === undefined) throw new IsopodError("internal", { cause: `the blob of ${entry} is gone` });
      const hooks = hookPaths(manifest);
      const files = manifest.files.filter(({ path }) => path !== entry && !hooks.has(path));
      const module = await wasmProgram(name, bytes, code, manifest.settings.wasm, treeOf(this.#blobs, files));
      return this.#components.prepare(module, undefined, { caller: project, group: project });
    }
    const [text, sourceMap] = await Promise.all([this.#texts.read(code), map && this.#texts.read(map)]);
    if (engine === "browser") return storedPage(this.#blobs, manifest, { code: text, sourceMap });
    return { name, language: languageOf(entry), code: text, hash: code, sourceMap };
  }

  /** The url of a database of PostgreSQL is a secret of the project: it leads where it may, and no further. */
  #withUrl(project: string, declared: BindingDeclaration): BindingDeclaration {
    const { secret } = declared.options;
    if (!isPostgres(declared) || typeof secret !== "string") return declared;
    return { ...declared, secretUrl: { url: this.secret(project, secret), isTrusted: false } };
  }

  /** The value of a project's secret. @throws {IsopodError} `start_failed` when there is none */
  secret(project: string, name: string): string {
    const found = this.#replica.get("secrets", project, name);
    if (found !== undefined) return this.#box.open(project, name, found.value);
    throw new IsopodError("start_failed", { cause: `project "${project}" has no secret "${name}"` });
  }
}

/** Programs take one invocation at a time, unless it is said that they can do more; pages need room. */
function ownDefaults(engine: Manifest["engine"]): Partial<Limits> {
  if (engine === "browser") return { memoryBytes: PAGE_BYTES };
  return engine === "process" ? { concurrencyMax: 1 } : {};
}

/** The blobs of what runs: the bundle that was made here, or the entry, with the map that lies beside it. */
export function codeOf({ entry, files, bundle }: Pick<Manifest, "entry" | "files" | "bundle">): {
  code: string;
  map: string | undefined;
} {
  if (bundle !== undefined) return { code: bundle.code, map: bundle.map };
  const find = (path: string) => files.find((file) => file.path === path)?.hash;
  const code = find(entry);
  if (code === undefined) throw new IsopodError("internal", { cause: `the entry ${entry} is not among the files` });
  return { code, map: find(`${entry}.map`) };
}

function placeholderOf(project: string, name: string, binding: string): string {
  const digest = createHash("sha256")
    .update(JSON.stringify([project, name, binding]))
    .digest("hex");
  return `isopod-secret-${digest.slice(0, 32)}`;
}
