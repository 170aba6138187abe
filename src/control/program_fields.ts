/** The fields of versions that say how programs are run: the function's own, and those that are around it. */
import { z } from "zod";
import { EVENT_FORMS } from "../core/event_form.ts";
import { HOOKS, MIDDLEWARE_MODES, MIDDLEWARE_NAME, MIDDLEWARE_ORDERS } from "../core/middleware.ts";
import { DIALECTS, LINE_PLACES } from "../core/process_program.ts";
import { MIDDLEWARE_MS_RULE } from "./config/middleware_rules.ts";
import { GRACE_RULE } from "./config/process_rules.ts";

/** How a program of the `process` engine is started and spoken to. */
export const processSetting = z.strictObject({
  dialect: z.enum(DIALECTS).default("runtime-api"),
  /** The words of its command line; the entry alone when left out. */
  command: z.array(z.string().min(1).max(4096)).min(1).max(256).optional(),
  handler: z.string().min(1).max(4096).optional(),
  event: z.enum(EVENT_FORMS).default("http"),
  lines: z.enum(LINE_PLACES).default("streams"),
  graceMs: z.number().int().min(GRACE_RULE.floor).max(GRACE_RULE.ceiling).default(GRACE_RULE.default),
  readyPath: z.string().max(4096).startsWith("/").optional(),
});

/** What runs around a function: files of the version below `middlewares/`, and modules that are in its program already. */
export const middlewaresSetting = z.strictObject({
  list: z
    .array(
      z.strictObject({
        name: z.string().regex(MIDDLEWARE_NAME, 'expected letters, digits, ".", "_" and "-", at most 64'),
        mode: z.enum(MIDDLEWARE_MODES).default("plain"),
        file: z.string().regex(MIDDLEWARE_NAME).max(80).optional(),
        isModule: z.boolean().optional(),
        hooks: z
          .array(z.enum(HOOKS))
          .min(1)
          .default([...HOOKS]),
      }),
    )
    .max(16)
    .default([]),
  inline: z.array(z.string().regex(MIDDLEWARE_NAME)).max(16).default([]),
  order: z.enum(MIDDLEWARE_ORDERS).default("reverse"),
  timeoutMs: z
    .number()
    .int()
    .min(MIDDLEWARE_MS_RULE.floor)
    .max(MIDDLEWARE_MS_RULE.ceiling)
    .default(MIDDLEWARE_MS_RULE.default),
});
