/** Blobs on local files: a folder a project, opened when it is first used and closed when nobody has used it for a while. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { DataQuotas } from "../../../core/binding.ts";
import type { Clock } from "../../../core/clock.ts";
import { IsopodError } from "../../../core/errors.ts";
import { IdleSet } from "../../../stdx/idle_set.ts";
import type { BlobBackend } from "../backend.ts";
import { BlobProject } from "./project.ts";

/** Projects that are open at a time; each has three files open, and those that are read and written. */
const OPEN_MAX = 128;
const IDLE_MS = 60_000;
/** How often idle projects and forgotten uploads are looked for. */
const SWEEP_MS = 10_000;

/** How the backend is set up. */
export interface LocalBlobOptions {
  /** Holds a folder for each project. */
  readonly directory: string;
  readonly clock: Clock;
  readonly quotas: DataQuotas;
  /** Hears what went wrong where nobody waits. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Creates the backend. */
export function createLocalBackend({ directory, clock, quotas, report }: LocalBlobOptions): BlobBackend {
  const projects = new IdleSet<BlobProject>({
    ...{ openMax: OPEN_MAX, idleMs: IDLE_MS, clock },
    open: (name) =>
      new BlobProject({
        directory: join(directory, name),
        bytesMax: () => quotas.bytesMax("blob", name),
        wallNow: () => clock.wallNow(),
        report,
      }),
    erase: (name) => rm(join(directory, name), { recursive: true, force: true }),
    full: () => failed(`${OPEN_MAX} projects use them at this time`),
    removing: (name) => failed(`project "${name}" is being deleted`),
    report: (project, error) => report("A project's blobs cannot be closed", { project, cause: String(error) }),
  });
  const sweep = () => {
    for (const [project, open] of projects) {
      open.uploads.collect().catch((error) => {
        report("Uploads of blobs that nobody completes cannot be removed", { project, cause: String(error) });
      });
    }
    projects.sweep();
  };
  const cancelSweep = clock.every(SWEEP_MS, sweep);
  const of = (project: string) => projects.get(project);
  return {
    head: async ({ project, name }, key) => of(project).head(name, key),
    get: async ({ project, name }, key, how) => of(project).get(name, key, how),
    put: async ({ project, name }, key, incoming, how) => of(project).put(name, key, incoming, how),
    delete: async ({ project, name }, keys) => of(project).delete(name, keys),
    list: async ({ project, name }, query) => of(project).list(name, query),
    createUpload: async ({ project, name }, key, facts) => of(project).uploads.create(name, key, facts),
    putPart: async ({ project, name }, key, id, part, incoming) =>
      of(project).uploads.putPart(name, key, id, part, incoming),
    completeUpload: async ({ project, name }, key, id, parts) => of(project).uploads.complete(name, key, id, parts),
    abortUpload: async ({ project, name }, key, id) => of(project).uploads.abort(name, key, id),
    removeProject: (project) => projects.remove(project),
    async close() {
      cancelSweep();
      await projects.close();
    },
  };
}

function failed(why: string): IsopodError {
  return new IsopodError("binding_failed", { message: `Cannot use blobs: ${why}` });
}
