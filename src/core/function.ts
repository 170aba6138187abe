/** What runs: programs, and the versions of functions that carry them. */
import type { AssetFolder } from "./assets.ts";
import type { BindingGrant } from "./binding_kinds.ts";
import type { BrowserProgram } from "./browser_program.ts";
import type { Limits } from "./limits.ts";
import type { ProcessProgram } from "./process_program.ts";
import type { Triggers } from "./triggers.ts";
import type { WasmProgram } from "./wasm_program.ts";

/** The names of the engines. */
export const ENGINE_NAMES = ["script", "wasm", "process", "browser"] as const;

/** The name of an engine. */
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Languages that the `script` engine takes as they are. */
export type Language = "typescript" | "javascript";

/** The language of a file by its name: JavaScript for `.js`, `.mjs`, `.cjs` and `.jsx`, else TypeScript. */
export function languageOf(fileName: string): Language {
  return /\.[mc]?jsx?$/i.test(fileName) ? "javascript" : "typescript";
}

/** A self-contained program: nothing is left to resolve but what the engine itself provides. */
export interface Program {
  readonly kind?: "script" | undefined;
  /** What stack traces call it, such as `hello.ts`. */
  readonly name: string;
  readonly language: Language;
  readonly code: string;
  /** `sha256-<hex>` of what the owner supplied; the program's identity. */
  readonly hash: string;
  /** A source map (JSON, version 3) when `code` is a bundle: positions are given in the sources' terms. */
  readonly sourceMap?: string | undefined;
  /** What a build of it is to run in; Bun when left out. */
  readonly target?: "browser" | undefined;
}

/** What an instance can be given. */
export type AnyProgram = Program | ProcessProgram | WasmProgram | BrowserProgram;

/** What has positions in a source. */
export type SourceProgram = Program | BrowserProgram;

/** A program that has positions in a source; undefined for those that have none. */
export function sourceOf(program: AnyProgram): SourceProgram | undefined {
  return program.kind === "process" || program.kind === "wasm" ? undefined : program;
}

/** A secret that a guest knows by a placeholder only; the host puts the value in towards `hosts`. */
export interface InjectedSecret {
  readonly placeholder: string;
  readonly value: string;
  readonly hosts: readonly string[];
}

/** What a program may reach outside, in the form of the configuration (`*.example.org:443`). */
export interface EgressGrant {
  readonly allow: readonly string[];
  readonly secrets: readonly InjectedSecret[];
}

/** What an instance of a version is given when it is loaded. Secrets are in the clear here and nowhere else. */
export interface VersionContents {
  readonly program: AnyProgram;
  /** The export that is the function; `default` when left out. */
  readonly exportName?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly egress: EgressGrant;
  /** What is on `env` beside the variables, by its name there. */
  readonly bindings: ReadonlyMap<string, BindingGrant>;
}

/** The middlewares of a function or a plan, as those see it who answer requests. */
export interface MiddlewareChain {
  /** In their order. */
  readonly names: readonly string[];
  /** Where they run: in the function's own instances, in those of this version, or as a part of the program alone. */
  readonly host: "own" | "inline" | FunctionVersion;
  /** Whether any of them has the hook; of those that are a part of the program nothing is known. */
  readonly hasBefore: boolean;
  readonly hasAfter: boolean;
  /** What one hook may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether the function is given the event itself, or the request that it stands for. */
  readonly takesEvents: boolean;
  /** Whether some are a part of the program, which says in a header what they took. */
  readonly isInline: boolean;
  /** `sha256-<hex>` of all that they are. */
  readonly hash: string;
}

/** An immutable version of a function. Its program is not kept here: a server has many more versions than instances. */
export interface FunctionVersion {
  readonly project: string;
  /** Name of the function. */
  readonly name: string;
  /** `sha256-<hex>` of the contents and the settings that change behaviour, of whatever name. */
  readonly version: string;
  /** One of a kind in a server, and another one when a secret of the version changes: whose it is, instances share. */
  readonly key: string;
  readonly engine: EngineName;
  readonly limits: Limits;
  /** The most instances at a time. */
  readonly instancesMax: number;
  /** Whether the gateway keeps answers that say that they may be kept; it does when left out. */
  readonly cache?: boolean | undefined;
  /** What runs around it; undefined where nothing does. */
  readonly middlewares?: MiddlewareChain | undefined;
  /** The key of the version whose middlewares it runs: it is needed as long as that one is. */
  readonly ownerKey?: string | undefined;
  /** What calls it by itself. */
  readonly triggers?: Triggers | undefined;
  /** Static files, which are served without an instance. */
  readonly assets?: AssetFolder | undefined;
  /** Reads what an instance is given. @throws {Error} when it cannot be read */
  contents(): Promise<VersionContents>;
}

/** The project of the configuration's functions, and of everything that names none. */
export const DEFAULT_PROJECT = "default";

/** A program's source as it was supplied, before its imports are resolved. */
export interface ProgramSource {
  readonly name: string;
  readonly language: Language;
  readonly code: string;
  /** `sha256-<hex>` of the supplied bytes. */
  readonly hash: string;
  /** Where it came from; what its relative imports are relative to. */
  readonly url?: string | undefined;
  /** What the bundle is to run in; Bun when left out. */
  readonly target?: "browser" | undefined;
}

/** Makes programs self-contained. */
export interface ProgramBuilder {
  /**
   * Resolves and joins what the source imports.
   * @throws {IsopodError} `syntax_error`, `unresolved_import`, or what fetching an import fails with
   */
  build(source: ProgramSource, signal: AbortSignal): Promise<Program>;
}

/** How a module's text is to be read. */
export type ModuleKind = "ts" | "tsx" | "js" | "jsx" | "json" | "text" | "wasm";

/** A module that was found. */
export interface LoadedModule {
  /** What it is known by, and what its own imports are relative to. */
  readonly id: string;
  readonly kind: ModuleKind;
  /** Its text; of a module of WebAssembly, its bytes in base64. */
  readonly code: string;
}

/** Finds what programs import. */
export interface ModuleLoader {
  /**
   * Finds the module that `importer` names by `specifier`.
   * @throws {IsopodError} `unresolved_import`, `source_refused`, or what fetching fails with
   */
  load(specifier: string, importer: string, signal: AbortSignal): Promise<LoadedModule>;
}

/** A module as what finds it gives it. */
export function loadedModule(id: string, kind: ModuleKind, bytes: Uint8Array): LoadedModule {
  return { id, kind, code: kind === "wasm" ? bytes.toBase64() : new TextDecoder().decode(bytes) };
}

/** The kind of a module by its name; text for everything that is no code. */
export function moduleKindOf(name: string): ModuleKind {
  const extension = /\.[mc]?(tsx?|jsx?|json|wasm)$/i.exec(name)?.[1]?.toLowerCase();
  return (extension as ModuleKind | undefined) ?? "text";
}
