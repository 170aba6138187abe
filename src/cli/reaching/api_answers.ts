/** The admin API's answers, as far as the commands read them; `GET /v1/openapi.json` has all of each. */

/** What an alias stands for. */
export interface AliasView {
  readonly targets: readonly { readonly version: string; readonly weight: number }[];
  readonly sticky?: { readonly by: string; readonly name?: string };
}

/** A route and the alias to which it leads. */
export interface RouteView {
  readonly route: string;
  readonly alias: string;
}

/** A function. */
export interface FunctionView {
  readonly project: string;
  readonly name: string;
  readonly aliases: Readonly<Record<string, AliasView>>;
  readonly routes: readonly RouteView[];
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly revision: number;
}

/** A function of the server's configuration file. */
export interface FileFunctionView {
  readonly name: string;
  readonly routes: readonly string[];
  readonly version: string;
  readonly preview: string;
}

/** What a version is given beside its files. */
export interface SettingsView {
  readonly env: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, number>>;
  readonly egress: readonly string[];
  readonly secrets: readonly { readonly binding: string; readonly name: string; readonly hosts: readonly string[] }[];
  readonly bindings?: Readonly<Record<string, object>>;
  readonly instancesMax: number;
  readonly cache?: boolean;
  readonly schedules?: readonly { readonly name: string }[];
  readonly consumers?: readonly { readonly queue: string }[];
  readonly notFound?: string;
  readonly process?: object;
  readonly wasm?: object;
  readonly middlewares?: {
    readonly list: readonly { readonly name: string; readonly mode: string; readonly hooks: readonly string[] }[];
    readonly inline: readonly string[];
    readonly order: string;
    readonly timeoutMs: number;
  };
}

/** A file of a version. */
export interface FileView {
  readonly path: string;
  readonly hash: string;
  readonly bytes: number;
  readonly executable?: boolean;
  readonly layer?: number;
}

/** A version. */
export interface VersionView {
  readonly version: string;
  readonly short: string;
  readonly files: readonly FileView[];
  readonly assets?: readonly FileView[];
  readonly entry: string;
  readonly exportName: string;
  readonly settings: SettingsView;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly message?: string;
  readonly aliases: readonly string[];
  readonly preview: string;
}

/** What a deploy answers. */
export interface DeployedView {
  readonly function: string;
  readonly version: string;
  readonly short: string;
  readonly unchanged: boolean;
  readonly preview: string;
  readonly record: FunctionView;
}

/** The beginning of a version's hash, as people see it. */
export function shortVersion(version: string): string {
  return version.slice("sha256-".length, "sha256-".length + 12);
}
