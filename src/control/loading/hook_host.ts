/**
 * Where middlewares run that a function cannot run itself: instances of a version of their own, of the `process` engine, with
 * no program and with the rights of the function. They are needed as long as the function is.
 */
import { NO_BINDINGS } from "../../core/binding_kinds.ts";
import type { AnyProgram, FunctionVersion, MiddlewareChain, VersionContents } from "../../core/function.ts";
import type { HookSettings } from "../../core/middleware.ts";
import { type FileTree, NO_PROGRAM, type ProcessProgram, type ProcessSettings } from "../../core/process_program.ts";
import { hashOf } from "../../stdx/hash.ts";

/** The middlewares that an instance runs. */
export interface LoadedHooks {
  readonly tree: FileTree;
  readonly settings: HookSettings;
}

/** Whose they are. */
export type HookOwner = Pick<FunctionVersion, "project" | "name" | "version" | "key" | "limits" | "instancesMax"> & {
  contents(): Promise<Pick<VersionContents, "env" | "egress" | "bindings">>;
};

/** What a plan's middlewares have: nothing. */
export const NO_RIGHTS = { env: {}, egress: { allow: [], secrets: [] }, bindings: NO_BINDINGS };

/** Hooks that one instance runs at a time: where each is a process, its memory holds a few. */
const PLAIN_CONCURRENCY = 4;
const PERSISTENT_CONCURRENCY = 32;

/** The least memory of such an instance: a body of 6 MiB is there as text and as JSON, in the guest and in its programs. */
const MEMORY_BYTES_MIN = 256 * 1024 * 1024;

const NO_FILES: FileTree = {
  hash: hashOf("[]"),
  entries: [],
  read: () => Promise.reject(new Error("there are no files")),
};

/** The version whose instances run them. */
export function hookHost(owner: HookOwner, { tree, settings: hooks }: LoadedHooks): FunctionVersion {
  const { project, name, version, key, limits, instancesMax } = owner;
  const isPlain = hooks.list.some(({ mode }) => mode === "plain");
  const program: ProcessProgram = {
    ...{ kind: "process", name: "middlewares", hash: hashOf(tree.hash), code: NO_FILES, layers: [], middlewares: tree },
    settings: { dialect: NO_PROGRAM, event: hooks.event, lines: "streams", graceMs: 0, hooks },
  };
  return {
    ...{ project, name, version, engine: "process", instancesMax },
    ...{ key: `${key}#middlewares`, ownerKey: key },
    limits: {
      ...limits,
      memoryBytes: Math.max(limits.memoryBytes, MEMORY_BYTES_MIN),
      concurrencyMax: isPlain ? PLAIN_CONCURRENCY : PERSISTENT_CONCURRENCY,
    },
    async contents() {
      const { env, egress, bindings } = await owner.contents();
      return { program, env, egress, bindings };
    },
  };
}

/**
 * What runs around `owner`: in its own instances where those can run it.
 * @param dialect of its program; undefined where it is no program of the `process` engine
 */
export function middlewaresOf(
  owner: FunctionVersion,
  dialect: ProcessSettings["dialect"] | undefined,
  hooks: LoadedHooks | undefined,
  inline: readonly string[],
): MiddlewareChain {
  if (hooks === undefined) return chainOf("inline", undefined, inline);
  if (dialect === undefined) return chainOf(hookHost(owner, hooks), hooks, inline);
  return chainOf("own", hooks, inline, dialect !== "http");
}

/** The program that has its middlewares with it, where it is one that can. */
export function withHooks(program: AnyProgram, hooks: LoadedHooks | undefined): AnyProgram {
  if (hooks === undefined || program.kind !== "process") return program;
  return { ...program, middlewares: hooks.tree, settings: { ...program.settings, hooks: hooks.settings } };
}

/** What those see of middlewares who answer requests. */
export function chainOf(
  host: MiddlewareChain["host"],
  hooks: LoadedHooks | undefined,
  inline: readonly string[],
  takesEvents = false,
): MiddlewareChain {
  const { list = [], timeoutMs = 0 } = hooks?.settings ?? {};
  return {
    names: [...list.map(({ name }) => name), ...inline],
    host,
    hasBefore: list.some(({ hooks: own }) => own.includes("before")),
    hasAfter: list.some(({ hooks: own }) => own.includes("after")),
    ...{ timeoutMs, takesEvents, isInline: inline.length > 0 },
    hash: hashOf(JSON.stringify([hooks?.tree.hash, hooks?.settings, inline])),
  };
}
