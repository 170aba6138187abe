/**
 * The projects whose data is open: opened when they are first used, closed when nobody has used them for a while, and
 * never more than `OPEN_MAX` at a time.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DataQuotas } from "../../core/binding.ts";
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import { KvProject } from "./project.ts";

/** Projects that are open at a time; each has three files open. */
const OPEN_MAX = 128;
const IDLE_MS = 60_000;
/** How often idle projects are looked for, and what has expired is collected. */
const SWEEP_MS = 10_000;
/** Between two pieces of what has expired. */
const PAUSE_MS = 20;

/** How they are set up. */
export interface ProjectsOptions {
  /** Holds a folder for each project. */
  readonly directory: string;
  readonly clock: Clock;
  readonly quotas: DataQuotas;
  /** Hears what went wrong where nobody waits. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

interface Opened {
  readonly project: KvProject;
  usedAt: number;
}

/** The projects. */
export class Projects {
  readonly #options: ProjectsOptions;
  readonly #open = new Map<string, Opened>();
  readonly #removing = new Map<string, Promise<void>>();
  readonly #cancelSweep: () => void;

  constructor(options: ProjectsOptions) {
    this.#options = options;
    this.#cancelSweep = options.clock.every(SWEEP_MS, () => this.#sweep());
  }

  /** The data of a project, opened when it is not. @throws {IsopodError} */
  get(name: string): KvProject {
    const usedAt = this.#options.clock.now();
    const opened = this.#open.get(name);
    if (opened !== undefined) {
      opened.usedAt = usedAt;
      return opened.project;
    }
    if (this.#removing.has(name)) throw beingDeleted(name);
    if (this.#open.size >= OPEN_MAX) this.#makeRoom();
    const { directory, clock, quotas, report } = this.#options;
    const project = new KvProject({
      directory: join(directory, name),
      bytesMax: () => quotas.bytesMax("kv", name),
      wallNow: () => clock.wallNow(),
      report,
    });
    this.#open.set(name, { project, usedAt });
    return project;
  }

  /** Removes all that is kept for a project. */
  remove(name: string): Promise<void> {
    const known = this.#removing.get(name);
    if (known !== undefined) return known;
    const opened = this.#open.get(name);
    this.#open.delete(name);
    const removing = (async () => {
      await opened?.project.close();
      await rm(join(this.#options.directory, name), { recursive: true, force: true });
    })().finally(() => this.#removing.delete(name));
    this.#removing.set(name, removing);
    return removing;
  }

  /** Closes all of them. */
  async close(): Promise<void> {
    this.#cancelSweep();
    await Promise.all([...[...this.#open.values()].map(({ project }) => project.close()), ...this.#removing.values()]);
    this.#open.clear();
  }

  #sweep(): void {
    const now = this.#options.clock.now();
    for (const [name, { project, usedAt }] of this.#open) {
      this.#collect(name, project);
      if (!project.busy && now - usedAt >= IDLE_MS) this.#close(name, project);
    }
  }

  /** A piece at a time, so that others get their turn. */
  #collect(name: string, project: KvProject): void {
    try {
      if (project.collect()) return;
      this.#options.clock.after(PAUSE_MS, () => this.#collect(name, project));
    } catch (error) {
      this.#options.report("What has expired in KV cannot be collected", { project: name, cause: String(error) });
    }
  }

  /** @throws {IsopodError} `binding_failed` when all of them are in use */
  #makeRoom(): void {
    const idle = [...this.#open].filter(([, { project }]) => !project.busy);
    const [oldest] = idle.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    if (oldest === undefined) {
      throw new IsopodError("binding_failed", { message: `Cannot use KV: ${OPEN_MAX} projects use it at this time` });
    }
    this.#close(oldest[0], oldest[1].project);
  }

  #close(name: string, project: KvProject): void {
    this.#open.delete(name);
    const report = (error: unknown) =>
      this.#options.report("A project's KV cannot be closed", { project: name, cause: String(error) });
    project.close().catch(report);
  }
}

function beingDeleted(name: string): IsopodError {
  return new IsopodError("binding_failed", { message: `Cannot use KV: project "${name}" is being deleted` });
}
