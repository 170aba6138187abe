/**
 * A folder of apps: every folder in it is a function at `/apps/NAME/*`, or every entry of an `apps.json` in it.
 *
 * The folder is watched; a burst of changes counts as one, and an app whose files are the same is not read again. A
 * broken app is an error in the log and the answer at its own address, and no business of the others.
 */
import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { NO_BINDINGS } from "../../core/binding_kinds.ts";
import type { Clock } from "../../core/clock.ts";
import { IsopodError, toIsopodError } from "../../core/errors.ts";
import { DEFAULT_PROJECT, type FunctionVersion } from "../../core/function.ts";
import { completeLimits } from "../../core/limits.ts";
import { parseRoute } from "../../core/route.ts";
import { hashOf } from "../../stdx/hash.ts";
import { name } from "../fields.ts";
import type { Build } from "../loading/build.ts";
import { bundleFunction } from "../loading/function_bundles.ts";
import type { LoadedFunction } from "../loading/function_loader.ts";
import { type AppFiles, listFolders, readAppFiles } from "./app_files.ts";

/** A burst of changes counts as one after this long, in milliseconds. */
const SETTLE_MS = 100;
const APPS_MAX = 1000;

/** What a folder of apps takes. */
export interface AppsParts {
  /** Absolute. */
  readonly folder: string;
  readonly build: Build;
  readonly clock: Clock;
  /** Hears of all apps whenever one of them has changed. */
  changed(apps: readonly LoadedFunction[]): void;
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

interface App {
  readonly fingerprint: string;
  readonly loaded: LoadedFunction;
}

const LIST = z.array(z.strictObject({ name, path: z.string().min(1).max(1024) })).max(APPS_MAX);

/** The folder. */
export class AppsFolder {
  readonly #parts: AppsParts;
  readonly #ending = new AbortController();
  #apps = new Map<string, App>();
  #watcher: FSWatcher | undefined;
  #cancelSettle: () => void = () => {};
  #reading: Promise<void> = Promise.resolve();

  constructor(parts: AppsParts) {
    this.#parts = parts;
  }

  /** The apps as they are now. */
  get apps(): LoadedFunction[] {
    return [...this.#apps.values()].map(({ loaded }) => loaded);
  }

  /** Reads the folder, and follows it from then on. @throws {Error} when there is no such folder */
  async open(): Promise<void> {
    const { folder } = this.#parts;
    try {
      this.#watcher = watch(folder, { recursive: true }, () => this.#later());
    } catch (cause) {
      throw new Error(`Cannot read the apps: ${cause instanceof Error ? cause.message : cause} (${folder})`, { cause });
    }
    await this.#read();
  }

  /** Follows no longer, and resolves when nothing of it is going on. */
  async close(): Promise<void> {
    this.#ending.abort();
    this.#cancelSettle();
    this.#watcher?.close();
    await this.#reading;
  }

  #later(): void {
    this.#cancelSettle();
    this.#cancelSettle = this.#parts.clock.after(SETTLE_MS, () => {
      this.#reading = this.#reading.then(() => this.#read());
    });
  }

  async #read(): Promise<void> {
    if (this.#ending.signal.aborted) return;
    const found = await this.#list().catch((error: unknown) => {
      this.#parts.report("The apps cannot be listed; they stay as they were", { reason: messageOf(error) });
      return undefined;
    });
    if (found === undefined) return;
    const entries = await Promise.all(
      [...found].map(async ([app, path]) => [app, await this.#load(app, path)] as const),
    );
    if (this.#ending.signal.aborted) return;
    const next = new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
    const same =
      next.size === this.#apps.size && entries.every(([app, { loaded }]) => this.#apps.get(app)?.loaded === loaded);
    this.#apps = next;
    if (!same) this.#parts.changed(this.apps);
  }

  /** The apps' folders, by name. @throws {Error} */
  async #list(): Promise<Map<string, string>> {
    const { folder } = this.#parts;
    const text = await readFile(join(folder, "apps.json"), "utf8").catch(() => undefined);
    if (text !== undefined) {
      const parsed = LIST.safeParse(JSON.parse(text));
      const [issue] = parsed.error?.issues ?? [];
      if (parsed.data === undefined) throw new Error(`apps.json: ${issue?.path.join(".")}: ${issue?.message}`);
      return new Map(parsed.data.map((app) => [app.name, resolve(folder, app.path)]));
    }
    const found = new Map<string, string>();
    for (const path of (await listFolders(folder)).slice(0, APPS_MAX)) {
      const app = basename(path);
      if (name.safeParse(app).success) found.set(app, path);
      else this.#parts.report("A folder of the apps has no name for a function", { folder: path });
    }
    return found;
  }

  async #load(app: string, path: string): Promise<App> {
    const known = this.#apps.get(app);
    let files: AppFiles | undefined;
    try {
      files = await readAppFiles(path);
      if (known?.fingerprint === files.fingerprint) return known;
      const version = await this.#version(app, files);
      return { fingerprint: files.fingerprint, loaded: { version, routes: routesOf(app) } };
    } catch (error) {
      const fingerprint = files?.fingerprint ?? messageOf(error);
      if (known?.fingerprint === fingerprint) return known;
      this.#parts.report("An app is broken", { app, reason: messageOf(error) });
      const reason = inTermsOf(path, toIsopodError(error));
      return { fingerprint, loaded: { version: brokenVersion(app, fingerprint, reason), routes: routesOf(app) } };
    }
  }

  async #version(app: string, { entry }: AppFiles): Promise<FunctionVersion> {
    const source = { path: entry, exportName: "default", denied: new Set<string>() };
    const { program: bundled } = await bundleFunction(this.#parts.build, source, this.#ending.signal);
    const version = hashOf(bundled.code);
    const contents = {
      program: { ...bundled, name: basename(entry), hash: version },
      env: {},
      egress: { allow: [], secrets: [] },
      bindings: NO_BINDINGS,
    };
    return { ...versionOf(app, version), contents: () => Promise.resolve(contents) };
  }
}

function versionOf(app: string, version: string): Omit<FunctionVersion, "contents"> {
  return {
    ...{ project: DEFAULT_PROJECT, name: app, version, key: `${DEFAULT_PROJECT}/${app}@${version}` },
    ...{ engine: "script", limits: completeLimits({}), instancesMax: 1 },
  };
}

/** A version whose every call is answered with what is wrong with it. */
function brokenVersion(app: string, fingerprint: string, reason: IsopodError): FunctionVersion {
  return { ...versionOf(app, hashOf(`${fingerprint} ${reason.message}`)), contents: () => Promise.reject(reason) };
}

/** Files by their names within the app for who calls it, as where they are is the server's business; the log has both. */
function inTermsOf(folder: string, error: IsopodError): IsopodError {
  const message = error.message.replaceAll(`${folder}/`, "");
  const place = /\((\/[^()]+)\)/.exec(error.message)?.[1];
  if (message === error.message || place === undefined) return error;
  return new IsopodError(error.code, { ...error.details, message, stack: `${message}\n    at ${place}` });
}

function routesOf(app: string) {
  return [parseRoute(`ANY /apps/${app}`), parseRoute(`ANY /apps/${app}/*`)];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
