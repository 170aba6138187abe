/** What a version's settings say of its secrets and its bindings. A secret may stand in either list. */
import { readDeclaration, type SaidBinding } from "../../core/binding_declaration.ts";
import type { BindingDeclaration } from "../../core/binding_kinds.ts";
import { IsopodError } from "../../core/errors.ts";
import { readConsumers, readSchedules } from "../../core/trigger_rules.ts";
import type { Triggers } from "../../core/triggers.ts";
import type { VersionSettings } from "./records.ts";

/** A secret that a version is given. */
export type SecretOfVersion = VersionSettings["secrets"][number];

type Said = NonNullable<VersionSettings["bindings"]>[string] & { readonly hosts?: unknown };

/** The secrets of a version. */
export function secretsOf({
  secrets,
  bindings = {},
}: Pick<VersionSettings, "secrets" | "bindings">): SecretOfVersion[] {
  const bound = Object.entries(bindings).filter(([, { type }]) => type === "secret");
  return [...secrets, ...bound.map(([binding, said]) => secretOf(binding, said))];
}

/** The names of the secrets that a version is given, and of those that hold where its databases are. */
export function secretNamesOf(settings: Pick<VersionSettings, "secrets" | "bindings">): string[] {
  const urls = Object.values(settings.bindings ?? {}).flatMap((said) => {
    const { secret } = said as { readonly secret?: unknown };
    return typeof secret === "string" ? [secret] : [];
  });
  return [...new Set([...secretsOf(settings).map(({ name }) => name), ...urls])];
}

function secretOf(binding: string, { name = binding, hosts }: Said): SecretOfVersion {
  return { binding, name, hosts: Array.isArray(hosts) ? hosts.map(String) : [] };
}

/** What calls a version by itself; undefined when nothing does. @throws {IsopodError} `bad_request` for the first mistake */
export function triggersOf(
  { schedules = [], consumers = [] }: Pick<VersionSettings, "schedules" | "consumers">,
  checkCron: (cron: string, timezone: string) => void,
  subject: string,
): Triggers | undefined {
  if (schedules.length + consumers.length === 0) return undefined;
  const failIn =
    (list: string) =>
    (index: number, key: string, why: string): never => {
      throw new IsopodError("bad_request", { message: `${subject}: ${list}[${index}].${key}: ${why}` });
    };
  return {
    schedules: readSchedules(schedules, checkCron, failIn("schedules")),
    consumers: readConsumers(consumers, failIn("consumers")),
  };
}

/** Bindings as they would be declared. */
export function saidOf(bindings: ReadonlyMap<string, BindingDeclaration>): Record<string, SaidBinding> {
  const said = [...bindings].map(([binding, { type, resource: name, mode, options }]) => {
    return [binding, { type, name, mode, ...options }] as const;
  });
  return Object.fromEntries(said);
}

/** The bindings of a version or a plan. @throws {IsopodError} `bad_request` for the first mistake */
export function declarationsOf(
  bindings: Readonly<Record<string, Said>> | undefined,
  subject: string,
): ReadonlyMap<string, BindingDeclaration> {
  const declared = new Map<string, BindingDeclaration>();
  for (const [binding, said] of Object.entries(bindings ?? {})) {
    const fail = (key: string, why: string): never => {
      throw new IsopodError("bad_request", { message: `${subject}: bindings.${binding}.${key}: ${why}` });
    };
    if (said.type !== "secret") declared.set(binding, readDeclaration(binding, said as SaidBinding, fail));
    else if (said.mode !== undefined) fail("mode", "a secret has no mode");
  }
  return declared;
}
