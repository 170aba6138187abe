/**
 * What the names of one file mean, as far as calls of clients need it: imports, clients, functions.
 *
 * Scopes are not followed. Whoever looks a name up must therefore ask whether it is bound once in the whole file;
 * what is bound more often could be either, and is an error and never a guess.
 */
import { bare, boundNames, isFunction, type Node, walk } from "./syntax.ts";

/** Where an imported name comes from; `*` is the whole module. */
export interface ImportedName {
  readonly module: string;
  readonly name: string;
}

/** The names of a file. */
export interface Names {
  readonly imports: ReadonlyMap<string, ImportedName>;
  /** What variables and declared functions are, without what surrounds it. */
  readonly values: ReadonlyMap<string, Node>;
  /** What the module gives out: its name there, and its name here or the expression itself. */
  readonly exports: ReadonlyMap<string, string | Node | ImportedName>;
  /** How often each name is bound, in whatever scope. */
  readonly bound: ReadonlyMap<string, number>;
}

/** Reads the names of a file. */
export function readNames(tree: Node): Names {
  const imports = new Map<string, ImportedName>();
  const values = new Map<string, Node>();
  const exports = new Map<string, string | Node | ImportedName>();
  const bound = new Map<string, number>();
  const bind = (names: readonly string[]) => {
    for (const name of names) bound.set(name, (bound.get(name) ?? 0) + 1);
  };
  walk(tree, (node) => {
    bind(bindingsOf(node));
    if (node.type === "ImportDeclaration") readImport(node, imports);
    if (node.type === "ExportNamedDeclaration" || node.type === "ExportDefaultDeclaration") readExport(node, exports);
    if (node.type === "VariableDeclarator" && node.id.type === "Identifier") {
      const value = bare(node.init);
      if (value !== undefined) values.set(node.id.name, value);
    }
    if (node.type === "FunctionDeclaration" && node.id) values.set(node.id.name, node);
  });
  return { imports, values, exports, bound };
}

/** The names that a node itself binds. */
function bindingsOf(node: Node): string[] {
  switch (node.type) {
    case "VariableDeclarator":
      return boundNames(node.id);
    case "FunctionDeclaration":
    case "FunctionExpression":
      return [...boundNames(node.id), ...node.params.flatMap(boundNames)];
    case "ArrowFunctionExpression":
    case "ObjectMethod":
    case "ClassMethod":
    case "ClassPrivateMethod":
      return node.params.flatMap(boundNames);
    case "ClassDeclaration":
    case "ClassExpression":
    case "TSEnumDeclaration":
      return boundNames(node.id);
    case "CatchClause":
      return boundNames(node.param);
    case "ImportSpecifier":
    case "ImportDefaultSpecifier":
    case "ImportNamespaceSpecifier":
      return [node.local.name];
    default:
      return [];
  }
}

function readImport(node: Extract<Node, { type: "ImportDeclaration" }>, imports: Map<string, ImportedName>): void {
  const module = node.source.value;
  for (const each of node.specifiers) {
    const name =
      each.type === "ImportSpecifier"
        ? nameOf(each.imported)
        : each.type === "ImportDefaultSpecifier"
          ? "default"
          : "*";
    imports.set(each.local.name, { module, name });
  }
}

function readExport(
  node: Extract<Node, { type: "ExportNamedDeclaration" | "ExportDefaultDeclaration" }>,
  exports: Map<string, string | Node | ImportedName>,
): void {
  if (node.type === "ExportDefaultDeclaration") {
    const value = bare(node.declaration);
    if (value !== undefined) exports.set("default", value.type === "Identifier" ? value.name : value);
    return;
  }
  if (node.declaration?.type === "VariableDeclaration") {
    for (const { id } of node.declaration.declarations) for (const name of boundNames(id)) exports.set(name, name);
  }
  for (const each of node.specifiers) {
    if (each.type !== "ExportSpecifier") continue;
    const local = nameOf(each.local);
    exports.set(nameOf(each.exported), node.source ? { module: node.source.value, name: local } : local);
  }
}

function nameOf(node: Node): string {
  return node.type === "StringLiteral" ? node.value : node.type === "Identifier" ? node.name : "";
}

/** The function that a name stands for; undefined when it is none. */
export function functionNamed(names: Names, name: string): Node | undefined {
  const value = names.values.get(name);
  return isFunction(value) ? value : undefined;
}
