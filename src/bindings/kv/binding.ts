/**
 * The KV binding: namespaces of keys and values, kept by project in SQLite files of their own.
 *
 * What is put is on the disk when it is acknowledged, and seen by every reader from then on. Whose data a call reaches
 * says its grant alone: the project and the namespace stand there, the mode and the prefix are checked here.
 */
import type { Binding, BindingAnswer, BindingCall, CallScope } from "../../core/binding.ts";
import type { BindingGrant } from "../../core/binding_kinds.ts";
import { IsopodError } from "../../core/errors.ts";
import type { Body, HeaderList } from "../../core/invocation.ts";
import { readMany } from "./many.ts";
import type { KvProject } from "./project.ts";
import { Projects, type ProjectsOptions } from "./projects.ts";
import {
  checkKey,
  checkMayWrite,
  expiryOf,
  keyOf,
  keysOf,
  listOf,
  metadataOf,
  numberOf,
  prefixOf,
  refused,
} from "./request.ts";
import { streamOf } from "./value_files.ts";

/** How the binding is set up. */
export type KvOptions = ProjectsOptions;

/**
 * Creates the binding.
 * @example const kv = createKv({ directory: "data/kv", clock: systemClock, quotas, report });
 */
export function createKv(options: KvOptions): Binding {
  return new Kv(options);
}

const VALUES = "/values/";

class Kv implements Binding {
  readonly type = "kv";
  readonly #options: KvOptions;
  readonly #projects: Projects;
  readonly #ender = new AbortController();

  constructor(options: KvOptions) {
    this.#options = options;
    this.#projects = new Projects(options);
  }

  async call(call: BindingCall, grant: BindingGrant, scope: CallScope): Promise<BindingAnswer> {
    if (this.#ender.signal.aborted || scope.signal.aborted) throw ended();
    const project = this.#projects.get(grant.project);
    if (!call.url.startsWith(VALUES)) return this.#callForMany(call, project, grant, scope);
    const key = checkKey(keyOf(call, VALUES), grant);
    if (call.method === "GET") return this.#get(project, grant, key, scope);
    checkMayWrite(grant);
    const ifRevision = numberOf(call, "if-revision", 0, Number.MAX_SAFE_INTEGER);
    if (call.method === "DELETE") {
      await project.delete(grant.resource, key, ifRevision);
      return answer(204);
    }
    if (call.method !== "PUT") throw refused(`expected GET, PUT or DELETE, not ${call.method}`);
    const how = { metadata: metadataOf(call), expiresAt: expiryOf(call, this.#options.clock.wallNow()), ifRevision };
    const revision = await project.put(grant.resource, key, call.body, { ...how, signal: scope.signal });
    return answer(200, [["revision", String(revision)]]);
  }

  async removeProject(project: string): Promise<void> {
    await this.#projects.remove(project);
  }

  async close(): Promise<void> {
    this.#ender.abort();
    await this.#projects.close();
  }

  async #callForMany(
    call: BindingCall,
    project: KvProject,
    grant: BindingGrant,
    scope: CallScope,
  ): Promise<BindingAnswer> {
    const { pathname, searchParams } = new URL(call.url, "http://kv");
    const asked = `${call.method} ${pathname}`;
    if (asked === "GET /keys") return this.#list(project, grant, searchParams);
    if (asked === "GET /changes") {
      const prefix = prefixOf(searchParams, grant);
      const only = searchParams.get("key");
      if (only !== null) checkKey(only, grant);
      const wants = (key: string) => (only === null ? key.startsWith(prefix) : key === only);
      return answer(200, [], project.watches.follow(grant.resource, wants, scope.signal));
    }
    if (asked !== "POST /values") throw refused(`nothing is at "${asked.slice(0, 100)}"`);
    const keys = await keysOf(call, grant);
    return answer(200, [], await project.during(() => readMany(project, grant.resource, keys, scope.signal)));
  }

  #get(
    project: KvProject,
    { resource }: BindingGrant,
    key: Uint8Array,
    scope: CallScope,
  ): BindingAnswer | Promise<BindingAnswer> {
    const entry = project.get(resource, key);
    if (entry === undefined) return answer(404);
    return entry.file === null ? answer(200, headersOf(entry), entry.value) : this.#open(project, resource, key, scope);
  }

  async #open(project: KvProject, resource: string, key: Uint8Array, scope: CallScope): Promise<BindingAnswer> {
    const opened = await project.during(() => project.open(resource, key));
    if (opened === undefined) return answer(404);
    const { entry, file } = opened;
    if (file === undefined) return answer(200, headersOf(entry), entry.value);
    const signal = AbortSignal.any([scope.signal, this.#ender.signal]);
    return answer(200, headersOf(entry), streamOf(file, entry.bytes, signal));
  }

  #list(project: KvProject, grant: BindingGrant, query: URLSearchParams): BindingAnswer {
    const { prefix, after: behind, limit } = listOf(query, grant);
    const { keys, after } = project.list(grant.resource, prefix, behind, limit);
    const cursor = after && Buffer.from(after).toString("base64url");
    return answer(200, [], new TextEncoder().encode(JSON.stringify({ keys, cursor })));
  }
}

function headersOf({
  revision,
  metadata,
}: {
  readonly revision: number;
  readonly metadata: string | null;
}): HeaderList {
  const head = ["revision", String(revision)] as const;
  return metadata === null ? [head] : [head, ["metadata", metadata]];
}

function answer(status: number, headers: HeaderList = [], body: Body = null): BindingAnswer {
  return { status, headers, body, url: "", redirected: false };
}

function ended(): IsopodError {
  return new IsopodError("binding_failed", { message: "Cannot use KV: the call was ended" });
}
