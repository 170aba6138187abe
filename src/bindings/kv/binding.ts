/**
 * The KV binding: namespaces of keys and values, kept by project in SQLite files of their own.
 *
 * What is put is on the disk when it is acknowledged, and seen by every reader from then on. Whose data a call reaches
 * says its grant alone: the project and the namespace stand there, the mode and the prefix are checked here.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Binding, BindingAnswer, BindingCall, CallScope, DataQuotas } from "../../core/binding.ts";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import type { HeaderList } from "../../core/invocation.ts";
import { KvProject } from "./project.ts";
import { bodyOf, checkKey, checkMayWrite, expiryOf, keyOf, metadataOf, numberOf, refused } from "./request.ts";

/** How the binding is set up. */
export interface KvOptions {
  /** Holds a folder for each project. */
  readonly directory: string;
  readonly clock: Clock;
  readonly quotas: DataQuotas;
}

/** Creates the binding. */
export function createKv(options: KvOptions): Binding {
  return new Kv(options);
}

const VALUES = "/values/";

class Kv implements Binding {
  readonly type = "kv";
  readonly #options: KvOptions;
  readonly #projects = new Map<string, KvProject>();
  #closed = false;

  constructor(options: KvOptions) {
    this.#options = options;
  }

  async call(call: BindingCall, grant: BindingGrant, scope: CallScope): Promise<BindingAnswer> {
    if (this.#closed || scope.signal.aborted) throw new IsopodError("client_gone");
    if (!call.url.startsWith(VALUES)) throw refused(`nothing is at "${call.url.slice(0, 100)}"`);
    const key = checkKey(keyOf(call, VALUES), grant);
    const project = this.#project(grant.project);
    if (call.method === "GET") return this.#get(project, grant, key);
    checkMayWrite(grant);
    const ifRevision = numberOf(call, "if-revision", 0, Number.MAX_SAFE_INTEGER);
    if (call.method === "DELETE") {
      await project.delete(grant.resource, key, ifRevision);
      return answer(call, 204);
    }
    if (call.method !== "PUT") throw refused(`expected GET, PUT or DELETE, not ${call.method}`);
    const metadata = metadataOf(call);
    const expiresAt = expiryOf(call, this.#options.clock.wallNow());
    const inline = await bodyOf(call);
    const value = { inline, file: null, bytes: inline.length };
    const revision = await project.put(grant.resource, key, value, { metadata, expiresAt, ifRevision });
    return answer(call, 200, [["revision", String(revision)]]);
  }

  async removeProject(project: string): Promise<void> {
    await this.#projects.get(project)?.close();
    this.#projects.delete(project);
    await rm(join(this.#options.directory, project), { recursive: true, force: true });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#projects.values()].map((project) => project.close()));
  }

  #get(project: KvProject, { resource }: BindingGrant, key: Uint8Array): BindingAnswer {
    const entry = project.get(resource, key);
    if (entry === undefined) return { status: 404, headers: [], body: null, url: "", redirected: false };
    const headers: [string, string][] = [["revision", String(entry.revision)]];
    if (entry.metadata !== null) headers.push(["metadata", entry.metadata]);
    return { status: 200, headers, body: entry.value, url: "", redirected: false };
  }

  #project(name: string): KvProject {
    let project = this.#projects.get(name);
    if (project === undefined) {
      const { directory, clock, quotas } = this.#options;
      project = new KvProject({
        directory: join(directory, name),
        bytesMax: () => quotas.bytesMax("kv", name),
        wallNow: () => clock.wallNow(),
      });
      this.#projects.set(name, project);
    }
    return project;
  }
}

function answer(_call: BindingCall, status: number, headers: HeaderList = []): BindingAnswer {
  return { status, headers, body: null, url: "", redirected: false };
}
