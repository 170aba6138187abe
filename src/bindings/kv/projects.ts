/** The projects whose KV data is open, and the collection of what has expired in them. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DataQuotas } from "../../core/binding.ts";
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import { IdleSet } from "../../stdx/idle_set.ts";
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

/** The projects. */
export class Projects {
  readonly #options: ProjectsOptions;
  readonly #projects: IdleSet<KvProject>;
  readonly #cancelSweep: () => void;

  constructor(options: ProjectsOptions) {
    const { directory, clock, quotas, report } = options;
    this.#options = options;
    this.#projects = new IdleSet({
      ...{ openMax: OPEN_MAX, idleMs: IDLE_MS, clock },
      open: (name) =>
        new KvProject({
          directory: join(directory, name),
          bytesMax: () => quotas.bytesMax("kv", name),
          wallNow: () => clock.wallNow(),
          report,
        }),
      erase: (name) => rm(join(directory, name), { recursive: true, force: true }),
      full: () => failed(`${OPEN_MAX} projects use it at this time`),
      removing: (name) => failed(`project "${name}" is being deleted`),
      report: (project, error) => report("A project's KV cannot be closed", { project, cause: String(error) }),
    });
    this.#cancelSweep = clock.every(SWEEP_MS, () => this.#sweep());
  }

  /** The data of a project, opened when it is not. @throws {IsopodError} */
  get(name: string): KvProject {
    return this.#projects.get(name);
  }

  /** Removes all that is kept for a project. */
  remove(name: string): Promise<void> {
    return this.#projects.remove(name);
  }

  /** Closes all of them. */
  async close(): Promise<void> {
    this.#cancelSweep();
    await this.#projects.close();
  }

  #sweep(): void {
    for (const [name, project] of this.#projects) this.#collect(name, project);
    this.#projects.sweep();
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
}

function failed(why: string): IsopodError {
  return new IsopodError("binding_failed", { message: `Cannot use KV: ${why}` });
}
