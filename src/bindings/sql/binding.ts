/**
 * The SQL binding: SQLite databases by project and name, as D1 has them, and PostgreSQL's by their url.
 *
 * What a guest asks for is handed to the database's process as it came, behind the grant; it is read there, where a
 * mistake of ours would reach one database and not the server. The answer goes back in the same way.
 */
import type { Binding, BindingAnswer, BindingCall, CallScope } from "../../core/binding.ts";
import { type BindingGrant, isPostgres, type SecretUrl } from "../../core/binding_kinds.ts";
import type { DatabaseUrls } from "../../core/database_urls.ts";
import { IsopodError } from "../../core/errors.ts";
import type { Databases } from "./databases.ts";
import type { SqlGrant } from "./grant.ts";
import type { Postgres } from "./postgres/postgres.ts";

/** What the binding is over. */
export interface SqlParts {
  readonly databases: Databases;
  readonly postgres: Postgres;
  /** Where a database is whose grant names a secret of its project. */
  readonly urls: Pick<DatabaseUrls, "ofSecret">;
}

const QUERY = "/query";
/** An invocation's own limit ends its calls, and is what its caller is told of: the database's clock comes after it. */
const AFTER_DEADLINE_MS = 500;
const encoder = new TextEncoder();

/** Creates the binding over databases of both dialects, which it closes when it is closed. */
export function createSql(parts: SqlParts): Binding {
  return new Sql(parts);
}

class Sql implements Binding {
  readonly type = "sql";
  readonly #databases: Databases;
  readonly #postgres: Postgres;
  readonly #urls: SqlParts["urls"];
  readonly #grants = new WeakMap<BindingGrant, SqlGrant>();

  constructor({ databases, postgres, urls }: SqlParts) {
    this.#databases = databases;
    this.#postgres = postgres;
    this.#urls = urls;
  }

  async call(call: BindingCall, grant: BindingGrant, scope: CallScope): Promise<BindingAnswer> {
    if (scope.signal.aborted) throw new IsopodError("client_gone");
    const request = await this.#request(call);
    const { signal } = scope;
    const { project, resource: name } = grant;
    try {
      if (isPostgres(grant)) return answer(await this.#askPostgres(grant, request, scope));
      return answer(await this.#databases.call({ project, name, head: this.#head(grant), request, signal }));
    } catch (error) {
      throw error instanceof IsopodError && error.code === "draining" ? closed() : error;
    }
  }

  #askPostgres(grant: BindingGrant, request: Uint8Array, { signal, deadline }: CallScope): Promise<Uint8Array> {
    const { project } = grant;
    const leftMs = Math.max(1, deadline - Date.now()) + AFTER_DEADLINE_MS;
    const workMs = Math.min(this.#databases.limits.callMsMax, leftMs);
    return this.#postgres.call({ project, request, signal, workMs, ...this.#head(grant), ...this.#urlOf(grant) });
  }

  #urlOf({ project, secretUrl, options: { secret } }: BindingGrant): SecretUrl {
    if (secretUrl !== undefined) return secretUrl;
    if (typeof secret === "string") return this.#urls.ofSecret(project, secret);
    throw refused("the binding has no url: say where its database is");
  }

  removeProject(project: string): Promise<void> {
    return this.#databases.deleteProject(project);
  }

  async close(): Promise<void> {
    await Promise.all([this.#databases.close(), this.#postgres.close()]);
  }

  /** A short request stands in the address, percent-encoded; a long one is the body. */
  async #request({ url, body }: BindingCall): Promise<Uint8Array> {
    if (url === QUERY) return await this.#readBody(body);
    if (!url.startsWith(`${QUERY}?`)) throw refused(`nothing is at "${url.slice(0, 100)}"`);
    try {
      return encoder.encode(decodeURIComponent(url.slice(QUERY.length + 1)));
    } catch {
      throw refused("the address is not percent-encoded UTF-8");
    }
  }

  async #readBody(body: BindingCall["body"]): Promise<Uint8Array> {
    if (body === null) throw refused("there is no body");
    const { requestBytesMax: value } = this.#databases.limits;
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > value) {
        const message = `Cannot send more than ${value} bytes to a database at once`;
        throw new IsopodError("value_too_large", { message, limit: { name: "requestBytesMax", value } });
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  #head(held: BindingGrant): SqlGrant {
    let grant = this.#grants.get(held);
    if (grant === undefined) {
      const tables = held.options["tables"] as readonly string[] | undefined;
      grant = { mode: held.mode, tables };
      this.#grants.set(held, grant);
    }
    return grant;
  }
}

function answer(body: Uint8Array): BindingAnswer {
  return { status: 200, headers: [], body, url: "", redirected: false };
}

function closed(): IsopodError {
  return new IsopodError("binding_failed", { message: "Cannot use the database: it is being closed" });
}

function refused(why: string): IsopodError {
  return new IsopodError("bad_request", { message: `Cannot use the database: ${why}` });
}
