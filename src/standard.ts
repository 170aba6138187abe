/** What a standard server is made of: the engines and bindings, as explicit lists. */
import { join } from "node:path";
import type { BlobBackend } from "./bindings/blob/backend.ts";
import { createBlobs } from "./bindings/blob/binding.ts";
import { createLocalBackend } from "./bindings/blob/local/backend.ts";
import type { S3Options } from "./bindings/blob/s3/client.ts";
import { createCacheApi } from "./bindings/cache/binding.ts";
import { isPublicAddress, parseAddress } from "./bindings/egress/address.ts";
import { createEgress } from "./bindings/egress/binding.ts";
import { createDialler } from "./bindings/egress/dialler.ts";
import { createFunctionBinding } from "./bindings/function/binding.ts";
import { createKv } from "./bindings/kv/binding.ts";
import { createQueueBinding } from "./bindings/queue/binding.ts";
import { Administration } from "./bindings/sql/administration.ts";
import { createSql } from "./bindings/sql/binding.ts";
import { Databases } from "./bindings/sql/databases.ts";
import { FilesAdministration } from "./bindings/sql/files_administration.ts";
import { Postgres } from "./bindings/sql/postgres/postgres.ts";
import { createTcp } from "./bindings/tcp/binding.ts";
import type { Binding, BindingSet, DataQuotas } from "./core/binding.ts";
import type { Clock } from "./core/clock.ts";
import type { DatabaseAdmin } from "./core/database_admin.ts";
import type { DatabaseUrls } from "./core/database_urls.ts";
import type { Engine } from "./core/engine.ts";
import type { FunctionCaller } from "./core/function_caller.ts";
import type { QueueSender } from "./core/triggers.ts";
import { type BrowserEngineOptions, createBrowserEngine } from "./engines/browser/engine.ts";
import { createProcessEngine, type ProcessGuest } from "./engines/process/engine.ts";
import { createScriptEngine, type ScriptEngineOptions } from "./engines/script/engine.ts";
import { databaseCode } from "./guest_code.ts";

/** What engines are made of. */
export type EngineParts = ScriptEngineOptions &
  Pick<BrowserEngineOptions, "browserGuest" | "chromium"> & { processGuest(): Promise<ProcessGuest> };

/** Every engine: the one whose instances can wait for a program, and those whose instances begin with it. */
export const ENGINES: {
  readonly waiting: (parts: EngineParts) => Engine;
  readonly launching: readonly ((parts: EngineParts) => Engine)[];
} = {
  waiting: createScriptEngine,
  launching: [(parts) => createProcessEngine({ ...parts, guest: parts.processGuest }), createBrowserEngine],
};

/** What bindings are made of. */
export interface BindingParts {
  /** The server's data directory; each binding has a folder of its own type there. */
  readonly dataDirectory: string;
  readonly clock: Clock;
  readonly quotas: DataQuotas;
  /** The store of blobs; files in the data directory when left out. */
  readonly blobStore: S3Options | undefined;
  readonly databaseUrls: DatabaseUrls;
  /** Calls what is deployed. */
  readonly functions: FunctionCaller;
  /** Takes messages for queues. */
  readonly queues: QueueSender;
  /** Hears what went wrong where nobody waits. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The bindings of a server, and what of them the admin API reaches. */
export interface StandardBindings extends BindingSet {
  readonly databases: DatabaseAdmin;
}

/** Every binding. */
export async function createBindings(parts: BindingParts): Promise<StandardBindings> {
  const { dataDirectory } = parts;
  const tcp = createTcp({ dialler: createDialler({ clock: parts.clock }), clock: parts.clock });
  const databases = new Databases({ ...parts, directory: join(dataDirectory, "sql"), program: databaseCode });
  const postgres = new Postgres({ ...parts, isPublic });
  const bindings: readonly Binding[] = [
    createKv({ ...parts, directory: join(dataDirectory, "kv") }),
    createBlobs(await blobBackend(parts)),
    createSql({ databases, postgres, urls: parts.databaseUrls }),
    createFunctionBinding(parts.functions),
    createQueueBinding(parts.queues),
    tcp,
  ];
  const byType = new Map(bindings.map((binding) => [binding.type, binding]));
  return {
    egress: createEgress({ tunnel: tcp.tunnel }),
    cache: createCacheApi(parts.clock),
    byType,
    databases: new Administration({ files: new FilesAdministration(databases), postgres, urls: parts.databaseUrls }),
  };
}

function isPublic(address: string): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && isPublicAddress(parsed);
}

async function blobBackend({ blobStore, quotas, ...parts }: BindingParts): Promise<BlobBackend> {
  if (blobStore === undefined) {
    return createLocalBackend({ ...parts, quotas, directory: join(parts.dataDirectory, "blobs") });
  }
  // Loaded by those who have such a store only.
  const { openS3 } = await import("./bindings/blob/s3/open.ts");
  return openS3(blobStore, { ...parts, quotas, spoolDirectory: join(parts.dataDirectory, "blobs_spool") });
}
