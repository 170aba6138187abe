/**
 * The fields that a JSON envelope and a form have in common: their schema, and what is made of them.
 *
 * Limits have the keys and units of a configuration file. Unknown keys are errors that name them.
 */
import { z } from "zod";
import { IsopodError } from "../../core/errors.ts";
import type { Language } from "../../core/function.ts";
import { LIMIT_NAMES, LIMIT_RULES, type Limits } from "../../core/limits.ts";
import { isHash, parseIntegrity } from "../sources/integrity.ts";
import { checkEnv } from "./headers.ts";

/** Where the program is. A `url` that begins with `//` leaves the scheme to the sources. */
export type CodelessSource =
  | { readonly kind: "code"; readonly code: string; readonly language: Language }
  | { readonly kind: "module"; readonly bytes: Uint8Array }
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "hash"; readonly hash: string };

/** What such a body says. */
export interface CodelessBody {
  readonly source: CodelessSource;
  /** `ctx.args` as JSON text. */
  readonly argsJson: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly input: Uint8Array | null;
  /** Content type of `input`. */
  readonly inputType: string | undefined;
  readonly limits: Partial<Limits>;
  /** `sha256-<hex>` that the program's bytes must have. */
  readonly integrity: string | undefined;
  /** What the program is to run in: a page, or what its kind runs in when left out. */
  readonly engine: "browser" | undefined;
}

const limitShape = Object.fromEntries(
  LIMIT_NAMES.map((name) => {
    const { key, floor, ceiling, scale } = LIMIT_RULES[name];
    return [
      key,
      z
        .number()
        .min(floor / scale)
        .max(ceiling / scale)
        .optional(),
    ];
  }),
);

/** The schemas of the common fields. */
export const settings = {
  url: z.string().min(1).max(8192).optional(),
  hash: z
    .string()
    .transform((text) => text.toLowerCase())
    .refine(isHash, "expected sha256- and 64 hex digits")
    .optional(),
  args: z.unknown().optional(),
  env: z.custom<Record<string, string>>(isTextRecord, "expected an object of strings").optional(),
  limits: z.strictObject(limitShape).optional(),
  language: z.enum(["typescript", "javascript"]).optional(),
  engine: z.enum(["script", "browser"]).optional(),
  integrity: z.string().optional(),
};

/** The common fields as they were sent. */
export interface Settings {
  readonly url?: string | undefined;
  readonly hash?: string | undefined;
  readonly args?: unknown;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly limits?: Readonly<Record<string, unknown>> | undefined;
  readonly language?: Language | undefined;
  readonly engine?: "script" | "browser" | undefined;
  readonly integrity?: string | undefined;
}

/**
 * What the common fields say. `language` is `code`'s, by whatever told it.
 * @throws {IsopodError} `bad_request`
 */
export function readSettings(
  said: Settings,
  code: string | undefined,
  language: Language | undefined,
): Pick<CodelessBody, "source" | "argsJson" | "env" | "limits" | "integrity" | "engine"> {
  const given = [code, said.url, said.hash].filter((value) => value !== undefined);
  if (given.length !== 1) {
    refuse(
      `Cannot read the program: expected exactly one of code, url and hash, not ${given.length === 0 ? "none" : given.length}`,
    );
  }
  if (language !== undefined && said.language !== undefined && code === undefined) {
    refuse(`Cannot read the program: "language" stands beside code only`);
  }
  return {
    source:
      code !== undefined
        ? { kind: "code", code, language: language ?? "typescript" }
        : said.url !== undefined
          ? { kind: "url", url: said.url }
          : { kind: "hash", hash: said.hash ?? "" },
    argsJson: said.args === undefined ? undefined : argsText(said.args),
    env: checkEnv(Object.entries(said.env ?? {})),
    limits: readLimits(said.limits ?? {}),
    integrity: said.integrity === undefined ? undefined : parseIntegrity(said.integrity),
    engine: said.engine === "browser" ? "browser" : undefined,
  };
}

/** Arguments travel inside the head of a request, whose frame is bounded; what is larger belongs into the input. */
const ARGS_BYTES_MAX = 96 * 1024;

function argsText(args: unknown): string {
  const text = toJson(args);
  const bytes = Buffer.byteLength(JSON.stringify(text));
  if (bytes > ARGS_BYTES_MAX) {
    refuse(`Cannot read the arguments: they take ${bytes} bytes, over ${ARGS_BYTES_MAX}; send them as input`);
  }
  return text;
}

function readLimits(said: Readonly<Record<string, unknown>>): Partial<Limits> {
  const limits: Partial<Record<keyof Limits, number>> = {};
  for (const name of LIMIT_NAMES) {
    const { key, scale } = LIMIT_RULES[name];
    const value = said[key];
    if (typeof value === "number") limits[name] = Math.round(value * scale);
  }
  return limits;
}

/**
 * `value` as JSON. What was parsed can still be too deep to be written.
 * @throws {IsopodError} `bad_request`
 */
export function toJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return refuse("Cannot read the envelope: it is nested too deeply");
  }
}

function isTextRecord(value: unknown): value is Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return Object.values(value).every((entry) => typeof entry === "string");
}

/**
 * `value`, once it has the schema's shape.
 * @throws {IsopodError} `bad_request`, naming the first mistakes in `what`.
 */
export function checkShape<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  let result: z.ZodSafeParseResult<T>;
  try {
    result = schema.safeParse(value);
  } catch {
    return refuse(`Cannot read ${what}: it is nested too deeply`);
  }
  if (result.success) return result.data;
  const issues = result.error.issues.slice(0, 3).map((issue) => {
    const path = issue.path.map(String).join(".").slice(0, 100);
    return `${path === "" ? "" : `"${path}": `}${issue.message.slice(0, 300)}`;
  });
  return refuse(`Cannot read ${what}: ${issues.join("; ")}`);
}

/** Throws `bad_request`; `message` names the action, then the value. */
export function refuse(message: string): never {
  throw new IsopodError("bad_request", { message: message.endsWith(".") ? message : `${message}.` });
}
