/**
 * What may stand where somebody types: read from the tree of commands, so that there is no second list of them, and
 * from the server where a name is asked for. A server that does not answer at once, or refuses, is no reason to say
 * anything while somebody types.
 */
import type { Argument, Command, Option } from "commander";
import { readProfiles } from "../profile/profiles.ts";
import { type AdminClient, adminClient } from "../reaching/admin_client.ts";
import type { SharedOptions } from "../reaching/command_options.ts";

/** A word, and what it is. */
export interface Suggestion {
  readonly word: string;
  readonly about: string;
}

/** Names are asked for as long as this; who types does not wait longer. */
const ASK_MS_MAX = 500;
const NAMES_MAX = 1000;
/** Arguments that name a function there is; a new one has a name of its own. */
const FUNCTION_ARGUMENT = /^(name|function)$/;
const NEW_NAMES = new Set(["init", "promote"]);

/** Where the cursor is. */
interface Place {
  readonly command: Command;
  /** Arguments before it. */
  readonly given: number;
  /** The option whose value is asked for. */
  readonly option: Option | undefined;
  /** Options before it that say which server is meant. */
  readonly shared: SharedOptions;
}

/** The words that may stand in the place of the last of `words`. */
export async function suggest(program: Command, words: readonly string[]): Promise<Suggestion[]> {
  const typed = words.at(-1) ?? "";
  const place = placeOf(program, words.slice(0, -1));
  const all = await wordsAt(place, typed);
  // A line is a word and what it is; a name with a control in it is nobody's to type.
  return all.filter(({ word }) => word.startsWith(typed) && !/[\0-\x1f\x7f]/.test(word));
}

function placeOf(program: Command, before: readonly string[]): Place {
  let command = program;
  let given = 0;
  let option: Option | undefined;
  const shared: Record<string, string> = {};
  for (const word of before) {
    if (option !== undefined) {
      shared[option.attributeName()] = word;
      option = undefined;
    } else if (word.startsWith("-") && word !== "-") {
      const [flag, value] = splitFlag(word);
      const found = command.options.find(({ long, short }) => long === flag || short === flag);
      if (found?.required && value === undefined) option = found;
      else if (found && value !== undefined) shared[found.attributeName()] = value;
    } else {
      const below = command.commands.find((each) => each.name() === word);
      if (below === undefined) given += 1;
      else [command, given] = [below, 0];
    }
  }
  return { command, given, option, shared };
}

function splitFlag(word: string): [flag: string, value: string | undefined] {
  const at = word.startsWith("--") ? word.indexOf("=") : -1;
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

async function wordsAt(place: Place, typed: string): Promise<Suggestion[]> {
  const { command, option, given, shared } = place;
  if (option !== undefined) return valuesOf(option, shared);
  const help = command.createHelp();
  if (typed.startsWith("-")) {
    return help.visibleOptions(command).flatMap((each) => {
      const about = each.description.split("\n")[0] ?? "";
      return [each.long, each.long === undefined ? each.short : undefined].flatMap((word) =>
        word ? [{ word, about }] : [],
      );
    });
  }
  const below =
    given > 0 ? [] : help.visibleCommands(command).map((each) => ({ word: each.name(), about: each.description() }));
  const { registeredArguments } = command;
  const last = registeredArguments.at(-1);
  const argument = registeredArguments[given] ?? (last?.variadic ? last : undefined);
  return argument === undefined ? below : [...below, ...(await namesFor(argument, place))];
}

function valuesOf(option: Option, shared: SharedOptions): Suggestion[] | Promise<Suggestion[]> {
  if (option.argChoices) return option.argChoices.map((word) => ({ word, about: option.description }));
  if (option.long === "--profile") return profileNames();
  if (option.long === "--project") return askFor("project", "/v1/projects", shared);
  if (option.long === "--plan") return askFor("plan", "/v1/plans", shared);
  return option.long === "--function" ? functionNames(shared) : [];
}

function namesFor(argument: Argument, { command, shared }: Place): Suggestion[] | Promise<Suggestion[]> {
  if (argument.argChoices) return argument.argChoices.map((word) => ({ word, about: argument.description }));
  const parent = command.parent?.name();
  if (argument.name() === "project" && command.name() !== "create") return askFor("project", "/v1/projects", shared);
  if (argument.name() === "plan") return askFor("plan", "/v1/plans", shared);
  if (argument.name() === "profile" && command.name() !== "add") return profileNames();
  if (parent === "secret" && command.name() === "delete")
    return askFor("secret", (client) => client.inProject("/secrets"), shared);
  const isFunction = FUNCTION_ARGUMENT.test(argument.name()) && parent === "isopod" && !NEW_NAMES.has(command.name());
  return isFunction ? functionNames(shared) : [];
}

function functionNames(shared: SharedOptions): Promise<Suggestion[]> {
  return askFor("function", (client) => client.inProject("/functions"), shared);
}

function profileNames(): Suggestion[] {
  try {
    return [...readProfiles().profiles].map(([word, { url }]) => ({ word, about: url }));
  } catch {
    return [];
  }
}

async function askFor(
  about: string,
  path: string | ((client: AdminClient) => string),
  shared: SharedOptions,
): Promise<Suggestion[]> {
  try {
    const client = adminClient(shared);
    const where = typeof path === "string" ? path : path(client);
    const signal = AbortSignal.timeout(ASK_MS_MAX);
    const { items } = await client.get<{ items: { name: string }[] }>(`${where}?limit=${NAMES_MAX}`, { signal });
    return items.map(({ name }) => ({ word: name, about }));
  } catch {
    return [];
  }
}
