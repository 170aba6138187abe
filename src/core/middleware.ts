/**
 * Middlewares: hooks around a function or a program, one before it and one after it.
 *
 * A middleware is an executable that is run for each hook (`plain`), an executable that is run once and given hooks as lines
 * (`persistent`), or a module. Modules of scripts run in the function's own instance, as a part of its program, and are
 * not spoken of here; every other one is run by the guest of the `process` engine.
 */
import type { EventForm } from "./event_form.ts";

/** The sides of a function. */
export const HOOKS = ["before", "after"] as const;

/** A side of a function. */
export type Hook = (typeof HOOKS)[number];

/** How a middleware is run: once for each hook, or once, with a line for each hook. */
export const MIDDLEWARE_MODES = ["plain", "persistent"] as const;

/** How a middleware is run. */
export type MiddlewareMode = (typeof MIDDLEWARE_MODES)[number];

/** In which order the hooks after a function run: the other way round, or as before it. */
export const MIDDLEWARE_ORDERS = ["reverse", "same"] as const;

/** In which order the hooks after a function run. */
export type MiddlewareOrder = (typeof MIDDLEWARE_ORDERS)[number];

/** A middleware, as the guest that runs it is told. */
export interface MiddlewareSettings {
  readonly name: string;
  readonly mode: MiddlewareMode;
  /** Its file, below the folder of middlewares. */
  readonly file: string;
  /** Whether the file is a bundled module, which Bun runs. */
  readonly isModule?: boolean | undefined;
  /** The hooks that it has. */
  readonly hooks: readonly Hook[];
}

/** What a guest is told of the middlewares that it runs. */
export interface HookSettings {
  readonly list: readonly MiddlewareSettings[];
  readonly order: MiddlewareOrder;
  /** What one hook may take, in milliseconds. */
  readonly timeoutMs: number;
  /** What they are given of a request. */
  readonly event: EventForm;
}

/** What middlewares, and their files, are called. */
export const MIDDLEWARE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$/;

/** The environment variable of a function that names its middlewares, separated by commas. */
export const MIDDLEWARES_VARIABLE = "SLSMIDDLEWARES";

/** The folder of middlewares beside `isopod.toml`, and in a version's files. */
export const MIDDLEWARES_FOLDER = "middlewares";

/** A piece of the time of a request: a hook, or what a middleware says took its time. */
export interface Span {
  /** `auth.before`, or what the middleware calls it. */
  readonly name: string;
  /** The middleware that it is of. */
  readonly middleware: string;
  /** From the request's beginning, in milliseconds. */
  readonly startMs: number;
  readonly durationMs: number;
  /** What the middleware says beside it; undefined for hooks. */
  readonly attributes?: Readonly<Record<string, string | number | boolean>> | undefined;
}
