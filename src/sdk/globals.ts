/**
 * The names that Cloudflare's types have as globals, for code that was written with them:
 * `/// <reference types="isopod/globals" />`. Types only; who has Cloudflare's own types installed needs none of it.
 */
import type * as blob from "../core/env_types/blob.ts";
import type * as calls from "../core/env_types/calls.ts";
import type * as handlers from "../core/env_types/handlers.ts";
import type * as kv from "../core/env_types/kv.ts";
import type * as sql from "../core/env_types/sql.ts";
import type { InvocationContext } from "../core/guest.ts";

declare global {
  type KVNamespace = kv.KVNamespace;
  type D1Database = sql.D1Database;
  type D1DatabaseSession = sql.D1DatabaseSession;
  type D1PreparedStatement = sql.D1PreparedStatement;
  type D1Result<Row = Record<string, sql.SQLValue>> = sql.D1Result<Row>;
  type R2Bucket = blob.R2Bucket;
  type R2Object = blob.R2Object;
  type R2ObjectBody = blob.R2ObjectBody;
  type R2Objects = blob.R2Objects;
  type R2MultipartUpload = blob.R2MultipartUpload;
  type Queue<Body = unknown> = calls.Queue<Body>;
  type Fetcher = calls.FunctionStub;
  type Message<Body = unknown> = handlers.Message<Body>;
  type MessageBatch<Body = unknown> = handlers.MessageBatch<Body>;
  type ScheduledController = handlers.ScheduledController;
  type ExecutionContext = InvocationContext;
  type ExportedHandler<Env = unknown, Body = unknown> = handlers.ExportedHandler<Env, Body>;

  // With the library of browsers these are there already, and are added to.
  interface Cache extends calls.ProgramCache {}
  interface CacheStorage extends calls.ProgramCaches {}
  var caches: CacheStorage;
}
