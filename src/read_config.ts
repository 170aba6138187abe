/**
 * Reads a server's configuration: the file and what the command line says beside it, with the checks of every room whose
 * language stands in the file. Small to load, unlike the server.
 */
import { checkEgressRule, parseHostPattern } from "./bindings/egress/rule.ts";
import type { Config } from "./control/config/config.ts";
import { loadConfig, parseConfig } from "./control/config/file.ts";
import { saidOf } from "./control/deploy/version_bindings.ts";
import { formatRoute } from "./core/route.ts";
import { parseSourceRule } from "./gateway/sources/rules.ts";
import { type DeclaredMiddlewares, middlewareSettings } from "./read_middlewares.ts";
import type { DeclaredModule, DeclaredProgram } from "./read_program.ts";
import { checkCron } from "./triggers/cron.ts";

export type { Config } from "./control/config/config.ts";

/** The checks of the bindings' and the gateway's languages, for reading a configuration. */
export const CONFIG_CHECKS = {
  validateEgress: checkEgressRule,
  validateHost: (host: string) => void parseHostPattern(host),
  validateCron: checkCron,
  validateSource: (source: string) => void parseSourceRule(source),
};

/** What a command line may say beside the file. */
export interface ConfigSource {
  /** A server without a file runs what this machine sends to `/run`, and nothing else. */
  readonly file?: string | undefined;
  /** `host:port` in the place of the file's `listen_address` and `admin_address`. */
  readonly listen?: string | undefined;
  readonly admin?: string | undefined;
  readonly sandbox?: Config["sandbox"] | undefined;
  /** The text in the place of what stands in `file`, which then only says where paths begin. */
  readonly text?: string | undefined;
  /** Where functions are developed: the environment, in which secrets stand by their names. */
  readonly developer?: Readonly<Record<string, string | undefined>> | undefined;
}

/** A function of a file as it is deployed: what its version is made of, its secrets by name only. */
export interface DeclaredFunction {
  readonly name: string;
  readonly engine: string;
  /** Absolute path of the file that it begins with. */
  readonly path: string;
  readonly exportName: string;
  /** As they are written: `GET /hello/:name`. */
  readonly routes: readonly string[];
  /** Absolute path of the folder with its static files. */
  readonly assets?: string;
  /** Absolute path of the folder with the page and the files of one that runs in a page. */
  readonly pageFolder?: string;
  /** What the files of a program are; undefined for other engines. */
  readonly program?: DeclaredProgram;
  /** Where the files of a module are; undefined for other engines. */
  readonly module?: DeclaredModule;
  /** What runs around it; left out where nothing does. */
  readonly middlewares?: DeclaredMiddlewares;
  readonly settings: {
    readonly env: Readonly<Record<string, string>>;
    /** By the names of `core/limits.ts`. */
    readonly limits: Readonly<Record<string, number>>;
    readonly egress: readonly string[];
    readonly secrets: readonly { readonly binding: string; readonly name: string; readonly hosts: readonly string[] }[];
    /** What stands on `env` beside variables and secrets; left out where there is nothing. */
    readonly bindings?: Readonly<Record<string, Readonly<Record<string, unknown> & { readonly type: string }>>>;
    readonly instancesMax: number;
    /** Left out where answers may be kept. */
    readonly cache?: boolean;
    /** What calls it by itself; left out where nothing does. */
    readonly schedules?: readonly { readonly name: string }[];
    readonly consumers?: readonly { readonly queue: string }[];
    /** What answers where no static file is; left out where there are none. */
    readonly notFound?: string;
    /** What runs around it; left out where nothing does. */
    readonly middlewares?: ReturnType<typeof middlewareSettings>;
    /** How a program is started and spoken to; left out for other engines. */
    readonly process?: Readonly<Record<string, unknown>> & { readonly command?: readonly string[] | undefined };
    /** How a module is spoken to, and what a command is given; left out where nothing is said. */
    readonly wasm?: Readonly<Record<string, unknown>>;
  };
}

/** Reads the functions of a file for whoever deploys them: no value of a secret is read. @throws {Error} */
export async function readDeclaredFunctions(file: string): Promise<DeclaredFunction[]> {
  const { functions } = await loadConfig(file, { ...CONFIG_CHECKS, secrets: "unread" });
  return functions.map((declared) => {
    const { name, engine, path, exportName, routes, env, limits, egress, secrets, bindings, instancesMax, triggers } =
      declared;
    const { assets, cache, pageFolder, process: program, wasm, middlewares } = declared;
    const around = middlewares && { config: middlewares, isScript: engine === "script" };
    const denied = secrets.flatMap(({ file: secret }) => secret ?? []);
    return {
      ...{ name, engine, path, exportName },
      routes: routes.map(formatRoute),
      ...(assets && { assets: assets.folder }),
      ...(pageFolder && { pageFolder }),
      ...(around && { middlewares: around }),
      ...(program && { program: { root: program.root, layers: program.layers, denied } }),
      ...(wasm && { module: { files: wasm.files, denied } }),
      settings: {
        ...{ env, limits, egress, instancesMax },
        ...(!cache && { cache }),
        ...(bindings.size > 0 && { bindings: saidOf(bindings) }),
        ...(triggers.schedules.length > 0 && { schedules: triggers.schedules }),
        ...(triggers.consumers.length > 0 && { consumers: triggers.consumers }),
        ...(assets && { notFound: assets.fallback }),
        ...(around && { middlewares: middlewareSettings(around) }),
        ...(program && { process: { ...program.settings } }),
        ...(wasm && Object.keys(wasm.settings).length > 0 && { wasm: { ...wasm.settings } }),
        secrets: secrets.map(({ binding, name: secret, hosts }) => ({ binding, name: secret, hosts })),
      },
    };
  });
}

/** Reads the configuration of a server. @throws {Error} one readable line, for the first mistake */
export async function readConfig(source: ConfigSource): Promise<Config> {
  const { file, listen, admin, sandbox, text, developer } = source;
  const developing = developer && ({ env: developer, secrets: "by_name" } as const);
  const options = { ...CONFIG_CHECKS, listen, admin, ...developing };
  const atHand = file === undefined ? "" : text;
  const config =
    atHand === undefined ? await loadConfig(file ?? "", options) : parseConfig(atHand, { ...options, file });
  return sandbox === undefined ? config : { ...config, sandbox };
}
