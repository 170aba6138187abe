/** Reads how a binding is declared: the same in the configuration, in deploys and in plans. */
import {
  BINDING_KINDS,
  type BindingDeclaration,
  type BindingMode,
  type BindingOption,
  isOption,
  isResourceName,
  RESOURCE_EXPECTED,
} from "./binding_kinds.ts";

/** What was said of a binding, before it is known to be right. */
export interface SaidBinding {
  readonly type: string;
  readonly name?: string | undefined;
  readonly mode?: BindingMode | undefined;
  readonly [key: string]: unknown;
}

/**
 * Reads a declaration.
 * @param binding the name on `env`, which is also the name of what is bound when none is said
 * @param fail is told the key that is wrong and why; must throw
 */
export function readDeclaration(
  binding: string,
  said: SaidBinding,
  fail: (key: string, why: string) => never,
): BindingDeclaration {
  const { type, name: resource = binding, mode, ...rest } = said;
  const kind = Object.hasOwn(BINDING_KINDS, type) ? BINDING_KINDS[type] : undefined;
  if (kind === undefined) return fail("type", `bindings of type "${type}" are not there yet`);
  if (!isResourceName(resource)) fail("name", `expected ${RESOURCE_EXPECTED}`);
  if (mode !== undefined && !kind.modes.includes(mode)) {
    fail("mode", `a binding of type "${type}" is always "${kind.modes[0]}"`);
  }
  const options: Record<string, BindingOption> = {};
  for (const [key, value] of Object.entries(rest)) {
    if (value === undefined) continue;
    const rule = Object.hasOwn(kind.keys, key) ? kind.keys[key] : undefined;
    if (rule === undefined) return fail(key, `a binding of type "${type}" has no such key`);
    if (!isOption(rule, value)) return fail(key, `expected ${rule.expected}`);
    options[key] = value;
  }
  if (type === "sql") checkDialect(options, fail);
  const missing = Object.keys(kind.keys).find((key) => kind.keys[key]?.isRequired && !(key in options));
  if (missing !== undefined) fail(missing, `expected ${kind.keys[missing]?.expected}`);
  return { type, resource, mode: mode ?? kind.modes[0], options };
}

function checkDialect(
  options: Readonly<Record<string, BindingOption>>,
  fail: (key: string, why: string) => never,
): void {
  const isPostgres = options["dialect"] === "postgres";
  if (!isPostgres && "secret" in options) fail("secret", 'only a binding with the dialect "postgres" has one');
}
