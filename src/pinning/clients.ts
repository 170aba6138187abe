/** Which expressions are clients made by `connect` of the SDK: here, or in a file that this one imports. */
import { type ImportedName, type Names, readNames } from "./names.ts";
import { bare, type Node, parseFile } from "./syntax.ts";

/** A module of the caller's own that was found. */
export interface FoundModule {
  readonly file: string;
  readonly text: string;
}

/** Finds what `importer` means by `specifier`; undefined for packages, and for what cannot be found. */
export type FindModule = (specifier: string, importer: string) => Promise<FoundModule | undefined>;

const SDK = "isopod";
/** Modules from which a client is handed on, one to the next, before nobody follows. */
const HANDED_ON_MAX = 8;

/** Whether `node` is a client: `connect(…)`, a variable that holds one, or an imported one. */
export async function isClient(node: Node | undefined, names: Names, file: string, find: FindModule): Promise<boolean> {
  return isClientWithin(node, names, file, find, HANDED_ON_MAX);
}

async function isClientWithin(
  node: Node | undefined,
  names: Names,
  file: string,
  find: FindModule,
  handedOnMax: number,
): Promise<boolean> {
  const value = bare(node);
  if (value?.type !== "Identifier") return isConnectCall(value, names);
  const held = names.values.get(value.name);
  if (held !== undefined && isConnectCall(held, names)) return true;
  const imported = names.imports.get(value.name);
  return imported !== undefined && isExported(imported, file, find, handedOnMax);
}

function isConnectCall(node: Node | undefined, { imports }: Names): boolean {
  if (node?.type !== "CallExpression") return false;
  const callee = bare(node.callee);
  if (callee?.type === "Identifier") {
    const from = imports.get(callee.name);
    return from?.module === SDK && from.name === "connect";
  }
  if (callee?.type !== "MemberExpression" || callee.object.type !== "Identifier" || callee.computed) return false;
  const from = imports.get(callee.object.name);
  const named = callee.property.type === "Identifier" && callee.property.name === "connect";
  return named && from?.module === SDK && from.name === "*";
}

/** Whether a module gives out a client under a name. */
async function isExported(
  from: ImportedName,
  importer: string,
  find: FindModule,
  handedOnMax: number,
): Promise<boolean> {
  if (from.module === SDK || handedOnMax === 0) return false;
  const found = await find(from.module, importer);
  if (found === undefined) return false;
  const names = readNames(parseFile(found.text, found.file));
  const given = names.exports.get(from.name);
  if (given === undefined) return false;
  if (typeof given !== "string") {
    if ("type" in given) return isConnectCall(given, names);
    return isExported(given, found.file, find, handedOnMax - 1);
  }
  const node = { type: "Identifier", name: given } as Node;
  return isClientWithin(node, names, found.file, find, handedOnMax - 1);
}
