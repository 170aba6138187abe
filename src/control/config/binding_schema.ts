/** The shape of `bindings` in `isopod.toml`, of functions and of plans, from the table of `core/binding_kinds.ts`. */
import { z } from "zod";
import { BINDING_KINDS, type BindingKey, type BindingOption, isOption } from "../../core/binding_kinds.ts";
import type { ValueChecks } from "./checks.ts";
import { checked, leaf, oneOf, text } from "./values.ts";

/** The types that `bindings` knows. */
const BINDING_TYPES = [...new Set(["secret", ...Object.keys(BINDING_KINDS)])];

/** The keys that only some types of bindings have. */
function bindingKeys(): Record<string, z.ZodOptional<z.ZodType<BindingOption>>> {
  const keys = Object.values(BINDING_KINDS).flatMap(({ keys }) => Object.entries<BindingKey>(keys));
  return Object.fromEntries(
    keys.map(([name, key]) => [
      name,
      leaf(key.expected, (value) => (isOption(key, value) ? value : undefined)).optional(),
    ]),
  );
}

/** An entry of `[plans.NAME.bindings]`. */
export function planBindingSchema({ validateEgress }: ValueChecks) {
  return z.strictObject({
    type: oneOf(BINDING_TYPES),
    name: text("the name of what is bound, in quotes").optional(),
    mode: oneOf(["read", "read-write"]).optional(),
    ...bindingKeys(),
    allow: z.array(checked('a host with its port, such as "db.example.com:5432"', validateEgress)).optional(),
    value_env: text("the name of an environment variable of the server").optional(),
    value_file: text("the path of a file").optional(),
  });
}

/** An entry of `[functions.bindings]`. */
export function bindingSchema(checks: ValueChecks) {
  return z.strictObject({
    ...planBindingSchema(checks).shape,
    hosts: z.array(checked('a host, such as "api.example.com"', checks.validateHost)).optional(),
  });
}

/** An entry of `[functions.bindings]`. */
export type RawBinding = z.infer<ReturnType<typeof bindingSchema>>;
/** An entry of `[plans.NAME.bindings]`. */
export type RawPlanBinding = z.infer<ReturnType<typeof planBindingSchema>>;
