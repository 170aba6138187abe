/**
 * Reads the repository's TypeScript into plain facts, for the rules of `src/tidy.test.ts`.
 *
 * It parses with the compiler's own API, so that strings, comments and templates are never mistaken for code. That API
 * is called unstable by its makers, which is why package.json pins TypeScript to one version, and why nothing but this
 * file uses it. It knows no rule.
 */
import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Node, type SourceFile, SyntaxKind } from "typescript/unstable/ast";
import {
  isCallExpression,
  isClassDeclaration,
  isExportDeclaration,
  isFunctionDeclaration,
  isFunctionLikeDeclaration,
  isImportDeclaration,
  isImportTypeNode,
  isInterfaceDeclaration,
  isLiteralTypeNode,
  isStringLiteral,
  isTypeAliasDeclaration,
  isVariableStatement,
} from "typescript/unstable/ast/is";
import { API } from "typescript/unstable/async";

/** One import, re-export, `import()` or `import("...")` type. */
export interface ImportFact {
  readonly specifier: string;
  /** Path of the file that a relative specifier means, from the root; undefined for packages and missing files. */
  readonly target: string | undefined;
  /** Whether nothing of it is left at run time. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** A declaration at the top of a file. */
export interface DeclarationFact {
  readonly name: string;
  /** Whether it is a class, an interface or a type alias. */
  readonly isType: boolean;
  readonly exported: boolean;
  readonly documented: boolean;
  readonly line: number;
}

/** A function of any kind: `lines` counts from its first to its last, without its docstring. */
export interface FunctionFact {
  readonly name: string;
  readonly lines: number;
  readonly line: number;
}

/** What one file holds. Paths are from the root, with `/`; lines count from 1. */
export interface FileFacts {
  readonly path: string;
  readonly lines: number;
  readonly text: string;
  readonly imports: readonly ImportFact[];
  readonly declarations: readonly DeclarationFact[];
  readonly functions: readonly FunctionFact[];
  /** Lines on which the type `any` stands. */
  readonly anyLines: readonly number[];
}

/** Reads the files at `paths`, all of them part of the project of `root`'s tsconfig.json. */
export async function readSourceTree(root: string, paths: readonly string[]): Promise<FileFacts[]> {
  const api = new API({ cwd: root });
  try {
    const snapshot = await api.updateSnapshot({ openProject: join(root, "tsconfig.json") });
    const program = snapshot.getProjects()[0]?.program;
    const files: FileFacts[] = [];
    for (const path of paths) {
      const source = await program?.getSourceFile(join(root, path));
      if (source === undefined) throw new Error(`Cannot read ${path}: tsconfig.json does not include it`);
      files.push(readFacts(root, path, source));
    }
    return files;
  } finally {
    await api.close();
  }
}

function readFacts(root: string, path: string, source: SourceFile): FileFacts {
  const imports: ImportFact[] = [];
  const functions: FunctionFact[] = [];
  const anyLines: number[] = [];
  const lineAt = (position: number) => source.getLineAndCharacterOfPosition(position).line + 1;
  const visit = (node: Node): void => {
    const line = lineAt(node.getStart(source));
    const found = importOf(node);
    if (found) imports.push({ ...found, target: resolve(root, path, found.specifier), line });
    if (isFunctionLikeDeclaration(node)) {
      functions.push({ name: nameOf(node, source), lines: lineAt(node.getEnd()) - line + 1, line });
    }
    if (node.kind === SyntaxKind.AnyKeyword) anyLines.push(line);
    node.forEachChild(visit);
  };
  visit(source);
  const declarations = source.statements.flatMap((statement) => declarationsOf(statement, source, lineAt));
  const lines = source.text.split("\n").length - (source.text.endsWith("\n") ? 1 : 0);
  return { path, lines, text: source.text, imports, declarations, functions, anyLines };
}

function importOf(node: Node): { specifier: string; typeOnly: boolean } | undefined {
  if (isImportDeclaration(node) && isStringLiteral(node.moduleSpecifier)) {
    const typeOnly = node.importClause?.phaseModifier === SyntaxKind.TypeKeyword;
    return { specifier: node.moduleSpecifier.text, typeOnly };
  }
  if (isExportDeclaration(node) && node.moduleSpecifier && isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, typeOnly: node.isTypeOnly };
  }
  if (isImportTypeNode(node) && isLiteralTypeNode(node.argument) && isStringLiteral(node.argument.literal)) {
    return { specifier: node.argument.literal.text, typeOnly: true };
  }
  if (isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword) {
    const argument = node.arguments[0];
    if (argument && isStringLiteral(argument)) return { specifier: argument.text, typeOnly: false };
  }
  return undefined;
}

function resolve(root: string, from: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const path = join(root, dirname(from), specifier);
  return existsSync(path) ? relative(root, path).replaceAll("\\", "/") : undefined;
}

function declarationsOf(node: Node, source: SourceFile, lineAt: (position: number) => number): DeclarationFact[] {
  const isType = isClassDeclaration(node) || isInterfaceDeclaration(node) || isTypeAliasDeclaration(node);
  if (!isType && !isFunctionDeclaration(node) && !isVariableStatement(node)) return [];
  const names = isVariableStatement(node)
    ? node.declarationList.declarations.map((declaration) => declaration.name.getText(source))
    : [nameOf(node, source)];
  const exported = node.modifiers?.some((modifier) => modifier.kind === SyntaxKind.ExportKeyword) ?? false;
  const documented = (node.jsDoc?.length ?? 0) > 0;
  const line = lineAt(node.getStart(source));
  return names.map((name) => ({ name, isType, exported, documented, line }));
}

/** The name of a declaration, or of what a nameless function is given to. */
function nameOf(node: Node, source: SourceFile): string {
  if (node.kind === SyntaxKind.Constructor) return "constructor";
  for (const candidate of [node, node.parent] as (Node & { readonly name?: Node })[]) {
    if (candidate.name) return candidate.name.getText(source);
  }
  return "(nameless)";
}
