/**
 * The configuration of a server, read and checked: what `main.ts` builds everything from.
 *
 * Types and defaults only. `file.ts` makes a `Config` from TOML; `docs/configuration.md` explains every key,
 * and a test keeps that page complete. Limits of an invocation stand in `core/limits.ts`, those of the server
 * in `rules.ts`.
 */
import type { AssetFallback } from "../../core/assets.ts";
import { type BindingDeclaration, NO_BINDINGS } from "../../core/binding_kinds.ts";
import type { EngineName } from "../../core/function.ts";
import type { Limits } from "../../core/limits.ts";
import { ANONYMOUS, type KeyRecord, type Plan } from "../../core/plan.ts";
import type { ProcessSettings } from "../../core/process_program.ts";
import type { RoutePattern } from "../../core/route.ts";
import type { Triggers } from "../../core/triggers.ts";
import type { TextPosition } from "./error.ts";
import type { MiddlewaresConfig } from "./middleware_config.ts";
import {
  CACHE_RULES,
  type CacheConfig,
  defaultsOf,
  LOGS_RULES,
  type LogsConfig,
  POOL_RULES,
  type PoolConfig,
  SERVER_RULES,
  type ServerConfig,
} from "./rules.ts";
import type { WasmConfig } from "./wasm_config.ts";

export type { CacheConfig, LogsConfig, PoolConfig, ServerConfig } from "./rules.ts";

/** An address to listen on; port 0 takes any free port. IPv6 hosts stand without brackets. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** An allowed source of programs: addresses of `scheme` whose `host[:port]/path` begins with `prefix`. */
export interface SourceRule {
  readonly scheme: "https" | "http";
  readonly prefix: string;
}

/** A secret of a function. */
export interface SecretConfig {
  /** Name in the function's `env`. */
  readonly binding: string;
  /** Name of the secret. */
  readonly name: string;
  readonly value: string;
  /** Where the value is put in on egress; empty when the function itself receives the value. */
  readonly hosts: readonly string[];
  /** What the function sees instead of the value when there are hosts. The same for the same function and binding. */
  readonly placeholder: string;
  /** Absolute path of the file that holds the value, when one does. */
  readonly file: string | undefined;
}

/** A store that speaks S3's protocol and keeps the blobs. */
export interface BlobStoreConfig {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  /** Stands in front of every key. */
  readonly prefix: string;
  /** Whether the bucket is the first part of the path, and not of the host's name. */
  readonly pathStyle: boolean;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What only a function of the `process` engine has. Its `path` is a folder, or the one file that is run. */
export interface ProcessConfig {
  readonly settings: ProcessSettings;
  /** Absolute path of a folder with a root file system; the machine's own when left out. */
  readonly root: string | undefined;
  /** Absolute paths of folders, or of zip archives. */
  readonly layers: readonly string[];
}

/** A function as the file declares it. */
export interface FunctionConfig {
  readonly name: string;
  readonly engine: EngineName;
  /** Absolute path of the file to run; for a folder, of its entry file. */
  readonly path: string;
  /** The export that is the function. */
  readonly exportName: string;
  readonly routes: readonly RoutePattern[];
  readonly env: Readonly<Record<string, string>>;
  /** Only what the function sets. */
  readonly limits: Partial<Limits>;
  readonly egress: readonly string[];
  readonly secrets: readonly SecretConfig[];
  /** What else it has on `env`, by the name there. */
  readonly bindings: ReadonlyMap<string, BindingDeclaration>;
  /** The most instances at a time. */
  readonly instancesMax: number;
  /** Whether the gateway keeps answers that say that they may be kept. */
  readonly cache: boolean;
  /** What calls it by itself. */
  readonly triggers: Triggers;
  /** Static files; `folder` is an absolute path. */
  readonly assets: { readonly folder: string; readonly fallback: AssetFallback } | undefined;
  /** Absolute path of the folder with the page and the files of a function of the `browser` engine, when it has one. */
  readonly pageFolder?: string | undefined;
  /** What runs around it; undefined where nothing does. */
  readonly middlewares?: MiddlewaresConfig | undefined;
  /** Undefined for other engines. */
  readonly process?: ProcessConfig | undefined;
  /** Undefined for other engines. */
  readonly wasm?: WasmConfig | undefined;
  /** Where the function's table begins in the file. */
  readonly position: TextPosition;
}

/** Where programs that arrive with a request are accepted, and from where they may be named. */
export interface CodelessConfig {
  /** Begins with `/` and, but for `/` itself, does not end with it. */
  readonly path: string;
  readonly sources: readonly SourceRule[];
}

/** What separates instances from the machine. */
export const SANDBOX_NAMES = ["bubblewrap", "none"] as const;

/** A server's configuration. */
export interface Config {
  /** Absolute path of the file that it was read from. */
  readonly file: string | undefined;
  /** The data plane. */
  readonly listen: Address;
  /** The admin API. */
  readonly admin: Address;
  readonly codeless: CodelessConfig;
  /** Path below which the exports of functions are called by JSON-RPC; of the same form as that of `codeless`. */
  readonly rpcPath: string;
  /** Absolute path of a folder in which each folder is a function. */
  readonly apps: string | undefined;
  /** Where blobs are kept; the data directory when left out. */
  readonly blobs: BlobStoreConfig | undefined;
  /** Domains below which previews have their hosts, beside `localhost`; in lower case. */
  readonly previewDomains: readonly string[];
  /** The keys of the store's secrets, the first to encrypt with; undefined for the one in the data directory. */
  readonly secretKeys: readonly Uint8Array[] | undefined;
  /** By name; always holds `anonymous`. */
  readonly plans: ReadonlyMap<string, Plan>;
  /** What plans run around programs, by their names. */
  readonly planMiddlewares: ReadonlyMap<string, MiddlewaresConfig>;
  readonly keys: readonly KeyRecord[];
  readonly functions: readonly FunctionConfig[];
  readonly pool: PoolConfig;
  readonly server: ServerConfig;
  readonly cache: CacheConfig;
  readonly logs: LogsConfig;
  readonly sandbox: (typeof SANDBOX_NAMES)[number];
}

/** The plan of callers without a key where only this machine can call. */
export const LOOPBACK_ANONYMOUS: Plan = {
  name: ANONYMOUS,
  run: "any",
  limits: {},
  ratePerSecond: undefined,
  egress: [],
  bindings: NO_BINDINGS,
  origins: [],
};

/** Whether only this machine can reach `host`. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** What a server does without a file: it runs what this machine sends to `/run`, and nothing else. */
export function defaultConfig(): Config {
  return {
    file: undefined,
    listen: { host: "127.0.0.1", port: 8080 },
    admin: { host: "127.0.0.1", port: 8081 },
    codeless: { path: "/run", sources: [] },
    rpcPath: "/rpc",
    apps: undefined,
    blobs: undefined,
    previewDomains: [],
    secretKeys: undefined,
    plans: new Map([[ANONYMOUS, LOOPBACK_ANONYMOUS]]),
    planMiddlewares: new Map(),
    keys: [],
    functions: [],
    pool: defaultsOf(POOL_RULES),
    server: defaultsOf(SERVER_RULES),
    cache: defaultsOf(CACHE_RULES),
    logs: defaultsOf(LOGS_RULES),
    sandbox: "bubblewrap",
  };
}
