/**
 * Reads what `bindings` of a function or a plan names: secrets, whose values come from the server's environment or from
 * files, and what has data behind it, by the table of `core/binding_kinds.ts`.
 */
import { readDeclaration } from "../../core/binding_declaration.ts";
import {
  BINDING_NAME_EXPECTED,
  BINDINGS_MAX,
  type BindingDeclaration,
  isBindingName,
  isPostgres,
} from "../../core/binding_kinds.ts";
import type { RawPlanBinding } from "./binding_schema.ts";
import type { SecretConfig } from "./config.ts";
import type { ConfigReport } from "./report.ts";
import type { KeyPath } from "./scan.ts";
import type { RawFunction, RawPlan } from "./schema.ts";
import { readSecret, readValue, type SecretSource } from "./secrets.ts";

/** What a function is bound to. */
export interface BoundConfig {
  readonly secrets: readonly SecretConfig[];
  readonly bindings: ReadonlyMap<string, BindingDeclaration>;
}

/** The bindings of a function. @throws {ConfigError} for the first mistake */
export function readBindings(raw: RawFunction, path: KeyPath, source: SecretSource): BoundConfig {
  const { report } = source;
  const secrets: SecretConfig[] = [];
  const bindings = new Map<string, BindingDeclaration>();
  for (const [binding, item] of entriesOf(raw.bindings, path, report)) {
    const at = [...path, "bindings", binding];
    if (raw.env && Object.hasOwn(raw.env, binding)) {
      report.fail(at, `env of the same function has a variable "${binding}" too`);
    }
    if (item.type === "secret") secrets.push(readSecret(raw.name, binding, item, at, source));
    else bindings.set(binding, withUrl(readOne(binding, withoutValue(item), at, report), item, at, source));
  }
  return { secrets, bindings };
}

/** The bindings of a plan's programs. @throws {ConfigError} for the first mistake */
export function readPlanBindings(
  raw: RawPlan,
  path: KeyPath,
  source: SecretSource,
): ReadonlyMap<string, BindingDeclaration> {
  const { report } = source;
  return new Map(
    entriesOf(raw.bindings, path, report).map(([binding, item]) => {
      const at = [...path, "bindings", binding];
      if (item.type === "secret")
        report.fail([...at, "type"], "a plan gives no secrets; every caller would learn them");
      const declared = readOne(binding, withoutValue(item), at, report);
      const isOfProject = "secret" in declared.options && item.value_env === undefined && item.value_file === undefined;
      return [binding, isOfProject ? declared : withUrl(declared, item, at, source)];
    }),
  );
}

function entriesOf<Raw>(
  raw: Readonly<Record<string, Raw>> | undefined,
  path: KeyPath,
  report: ConfigReport,
): [string, Raw][] {
  const entries = Object.entries(raw ?? {});
  if (entries.length > BINDINGS_MAX) report.fail([...path, "bindings"], `there are more than ${BINDINGS_MAX}`);
  for (const [binding] of entries) {
    if (!isBindingName(binding)) {
      report.fail([...path, "bindings", binding], `the name of a binding is of ${BINDING_NAME_EXPECTED}`);
    }
  }
  return entries;
}

/** Where the url of a database stands is no key of the binding itself. */
function withoutValue({ value_env: _env, value_file: _file, ...item }: RawPlanBinding): RawPlanBinding {
  return item;
}

/** The url of a database of PostgreSQL, which the operator gives. @throws {ConfigError} */
function withUrl(
  declared: BindingDeclaration,
  item: RawPlanBinding,
  at: KeyPath,
  source: SecretSource,
): BindingDeclaration {
  if (!isPostgres(declared)) {
    const key = item.value_env !== undefined ? "value_env" : item.value_file !== undefined ? "value_file" : undefined;
    return key === undefined
      ? declared
      : source.report.fail([...at, key], `a binding of type "${item.type}" has no such key`);
  }
  return { ...declared, secretUrl: { url: readValue(item, at, source), isTrusted: true } };
}

function readOne(binding: string, item: RawPlanBinding, at: KeyPath, report: ConfigReport): BindingDeclaration {
  return readDeclaration(binding, item, (key, why) => report.fail([...at, key], why));
}
