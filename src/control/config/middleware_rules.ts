/** The keys and the bounds of middlewares, which functions and plans have. */
import { z } from "zod";
import { limitRule } from "../../core/limits.ts";
import { MIDDLEWARE_ORDERS } from "../../core/middleware.ts";
import { oneOf, setting, text } from "./values.ts";

/** The rule of `middleware_ms`. */
export const MIDDLEWARE_MS_RULE = limitRule("middleware_ms", 1, 5000, 1, 900_000, "Time that one hook may take.");

/** The shape of the keys that functions and plans have for them. */
export const MIDDLEWARE_SHAPE = {
  middlewares: z.array(text("a text in quotes")).optional(),
  middleware_order: oneOf(MIDDLEWARE_ORDERS).optional(),
  middleware_ms: setting(MIDDLEWARE_MS_RULE).optional(),
};
