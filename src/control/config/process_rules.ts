/** The keys and the bounds that only functions of the `process` engine have. */
import { z } from "zod";
import { EVENT_FORMS } from "../../core/event_form.ts";
import { limitRule } from "../../core/limits.ts";
import { DIALECTS, LINE_PLACES, RUNTIMES } from "../../core/process_program.ts";
import { oneOf, setting, text } from "./values.ts";

/** The rule of `grace_ms`. */
export const GRACE_RULE = limitRule("grace_ms", 1, 200, 0, 60_000, "Time between SIGTERM and the deadline.");

/** Layers of one function. */
export const LAYERS_MAX = 16;

/** The shape of the keys that only this engine knows. */
export const PROCESS_SHAPE = {
  dialect: oneOf(DIALECTS).optional(),
  command: text("a command line").optional(),
  handler: text("what the program calls its handler").optional(),
  event: oneOf(EVENT_FORMS).optional(),
  layers: z.array(text("a text in quotes")).optional(),
  runtime: oneOf(RUNTIMES).optional(),
  root: text('"system" or the path of a folder').optional(),
  readiness: text('a path that begins with "/"', (path) => path.startsWith("/")).optional(),
  lines: oneOf(LINE_PLACES).optional(),
  grace_ms: setting(GRACE_RULE).optional(),
};

/** Those keys. */
export const PROCESS_KEYS = Object.keys(PROCESS_SHAPE) as readonly (keyof typeof PROCESS_SHAPE)[];
