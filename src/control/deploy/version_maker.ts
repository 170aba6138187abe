/**
 * Makes a version: stores its files, joins them where they must be, names it, and tries it for real.
 *
 * Trying is loading: into a prewarmed instance, which stays as the version's first. So a program that cannot be parsed,
 * lacks its export or throws at its top level is refused before anybody could be sent to it.
 */
import { IsopodError, toIsopodError } from "../../core/errors.ts";
import type { FunctionVersion } from "../../core/function.ts";
import type { Store } from "../../core/store.ts";
import type { Build } from "../loading/build.ts";
import { checkQuota } from "../tenancy/quotas.ts";
import { tryPut } from "./pointers.ts";
import { type Manifest, manifestRecord, readJson, toBytes } from "./records.ts";
import { hookPaths } from "./stored_hooks.ts";
import type { StoredVersions } from "./stored_versions.ts";
import { checkVersion, type VersionChecks, type VersionInput, type VersionOwner } from "./version_checks.ts";
import { bundleFiles, checkModuleBytes, isSelfContained, storeFiles, type VersionFile } from "./version_files.ts";
import { versionId } from "./version_identity.ts";

/** A version that has been made. */
export interface MadeVersion {
  readonly version: string;
  readonly manifest: Manifest;
  /** Whether it was not there before. */
  readonly isNew: boolean;
  /** Of the manifest. */
  readonly revision: number;
  /** Lets its first instance go, unless something stands for the version now. */
  release(): void;
}

/** What making takes. */
export interface VersionMakerParts extends VersionChecks {
  readonly store: Store;
  readonly versions: StoredVersions;
  readonly build: Build;
  /** Loads a version into an instance that stays. */
  prepare(version: FunctionVersion): Promise<void>;
  wallNow(): number;
}

/** The maker. */
export class VersionMaker {
  readonly #parts: VersionMakerParts;
  readonly #ending = new AbortController();
  readonly #held = new Set<{ readonly key: string }>();

  constructor(parts: VersionMakerParts) {
    this.#parts = parts;
  }

  /** Makes a version, or finds the one that is the same. @throws {IsopodError} for everything that can be wrong with it */
  async make(owner: VersionOwner, input: VersionInput): Promise<MadeVersion> {
    const { store, wallNow } = this.#parts;
    const { project, name, by } = owner;
    checkVersion(this.#parts, owner, input);
    const files = await storeFiles(store.blobs, input.files);
    if (input.engine === "wasm") checkModuleBytes(name, files);
    const { assets: brought = [] } = input;
    const assets = brought.length === 0 ? undefined : await storeFiles(store.blobs, brought);
    const quotas = this.#parts.replica.get("projects", project)?.value.quotas ?? {};
    checkQuota(
      project,
      quotas,
      "versionBytesMax",
      [...files, ...(assets ?? [])].reduce((sum, { bytes }) => sum + bytes, 0),
    );
    const { engine, entry, exportName, settings, message } = input;
    const version = versionId({ engine, files, assets, entry, exportName, settings });
    const known = await this.#find(project, name, version);
    if (known !== undefined) {
      const release = await this.tryOut(project, name, version, known.manifest);
      return { version, ...known, isNew: false, release };
    }
    checkQuota(project, quotas, "versionsMax", this.#parts.replica.all("versions", project, name).length + 1);
    const isBundled = engine === "script" || engine === "browser";
    const bundle = isBundled ? await this.#bundle(name, input, codeFilesOf(files, input)) : undefined;
    const manifest: Manifest = {
      ...{ engine, files, entry, exportName, settings, createdAt: wallNow(), createdBy: by },
      ...(bundle && { bundle }),
      ...(assets && { assets }),
      ...(message !== undefined && { message }),
    };
    const release = await this.tryOut(project, name, version, manifest);
    // Lost to somebody who made the same: theirs is as good as ours.
    const written = await tryPut(store, ["versions", project, name, version], toBytes(manifest), 0);
    const revision = written ?? (await this.#find(project, name, version))?.revision ?? 0;
    return { version, manifest, revision, isNew: written !== undefined, release };
  }

  /** The manifest of a version, as it stands in the store. */
  async read(project: string, name: string, version: string): Promise<Manifest | undefined> {
    return (await this.#find(project, name, version))?.manifest;
  }

  async #find(
    project: string,
    name: string,
    version: string,
  ): Promise<Pick<MadeVersion, "manifest" | "revision"> | undefined> {
    const entry = await this.#parts.store.get(["versions", project, name, version], { fresh: true });
    const manifest = manifestRecord.safeParse(entry && readJson(entry.value)).data;
    return entry && manifest && { manifest, revision: entry.revision };
  }

  /**
   * Loads a version, and holds its instance until the returned function is called.
   * @throws {IsopodError} what is wrong with it, as the mistake of who deploys
   */
  async tryOut(project: string, name: string, version: string, manifest: Manifest): Promise<() => void> {
    const made = this.#parts.versions.of(project, name, version, manifest);
    const held = { key: made.key };
    this.#held.add(held);
    try {
      await this.#parts.prepare(made);
      return () => this.#held.delete(held);
    } catch (error) {
      this.#held.delete(held);
      throw asDeployError(name, toIsopodError(error));
    }
  }

  /** Whether a version has been tried and its deploy is under way. */
  isHeld(key: string): boolean {
    for (const held of this.#held) if (held.key === key) return true;
    return false;
  }

  /** Ends what is being built. */
  close(): void {
    this.#ending.abort();
  }

  async #bundle(
    name: string,
    { engine, entry }: VersionInput,
    files: readonly VersionFile[],
  ): Promise<Manifest["bundle"]> {
    const target = engine === "browser" ? engine : undefined;
    const { blobs } = this.#parts.store;
    if (isSelfContained(entry, files) && files.length > 1) return undefined;
    const { build } = this.#parts;
    const program = await bundleFiles(build, blobs, { entry, files, target }, this.#ending.signal).catch((error) => {
      throw asDeployError(name, toIsopodError(error));
    });
    const { code, sourceMap } = program;
    if (files.length === 1 && sourceMap === undefined) return undefined;
    const stored = await blobs.put(new TextEncoder().encode(code));
    const map = sourceMap === undefined ? undefined : await blobs.put(new TextEncoder().encode(sourceMap));
    return { code: stored.hash, ...(map && { map: map.hash }) };
  }
}

/** The files of a script without those of its middlewares, which are no part of its program. */
function codeFilesOf(files: readonly VersionFile[], { engine, settings }: VersionInput): readonly VersionFile[] {
  const paths = hookPaths({ engine, settings, files });
  return files.filter(({ path }) => !paths.has(path));
}

/** Codes that say by themselves that the program is wrong; what else a program does wrong while it loads has one of ours. */
const OWN_CODES: ReadonlySet<string> = new Set(["syntax_error", "unresolved_import", "bad_request", "code_too_large"]);

function asDeployError(name: string, error: IsopodError): IsopodError {
  if (error.kind === "system") return error;
  const code = OWN_CODES.has(error.code) ? error.code : "program_invalid";
  return new IsopodError(code, { ...error.details, message: `Cannot deploy "${name}": ${error.message}` });
}
