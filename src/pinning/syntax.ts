/** Parses a source file, and walks what was parsed. Nothing here runs or changes code. */
import { type ParserPlugin, parse } from "@babel/parser";
import type { Node } from "@babel/types";

export type { Node };

/** The language of a file that may hold calls; undefined for any other file. */
export function languageOf(file: string): "javascript" | "typescript" | undefined {
  const extension = /\.[mc]?([jt])sx?$/i.exec(file)?.[1]?.toLowerCase();
  return extension === undefined ? undefined : extension === "j" ? "javascript" : "typescript";
}

/** The syntax tree of a file. @throws {Error} that says where it cannot be read */
export function parseFile(text: string, file: string): Node {
  const typed = languageOf(file) === "typescript";
  const plugins: ParserPlugin[] = typed ? ["decorators-legacy", "typescript"] : ["decorators-legacy", "jsx"];
  try {
    return parse(text, {
      sourceType: "module",
      allowReturnOutsideFunction: true,
      plugins: typed && /x$/i.test(file) ? [...plugins, "jsx"] : plugins,
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Cannot read ${file}: ${why}`, { cause });
  }
}

/** Calls `visit` with `node` and everything below it, from the outside in. */
export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) for (const each of value) walkInto(each, visit);
    else walkInto(value, visit);
  }
}

function walkInto(value: unknown, visit: (node: Node) => void): void {
  if (isNode(value)) walk(value, visit);
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "start" in value && !isComment(value.type);
}

function isComment(type: unknown): boolean {
  return type === "CommentLine" || type === "CommentBlock";
}

/** The expression inside of parentheses, `await`, and what TypeScript says about types. */
export function bare(node: Node | null | undefined): Node | undefined {
  switch (node?.type) {
    case "TSAsExpression":
    case "TSSatisfiesExpression":
    case "TSNonNullExpression":
    case "TSTypeAssertion":
    case "ParenthesizedExpression":
      return bare(node.expression);
    case "AwaitExpression":
      return bare(node.argument);
    default:
      return node ?? undefined;
  }
}

/** Whether a node is a function that stands where a value does, or is declared. */
export function isFunction(node: Node | undefined): boolean {
  return (
    node?.type === "ArrowFunctionExpression" ||
    node?.type === "FunctionExpression" ||
    node?.type === "FunctionDeclaration"
  );
}

/** The names that a pattern binds: `{ a, b: [c] }` binds a and c. */
export function boundNames(pattern: Node | null | undefined): string[] {
  switch (pattern?.type) {
    case "Identifier":
      return [pattern.name];
    case "ObjectPattern":
      return pattern.properties.flatMap((each) => boundNames(each.type === "ObjectProperty" ? each.value : each));
    case "ArrayPattern":
      return pattern.elements.flatMap(boundNames);
    case "AssignmentPattern":
      return boundNames(pattern.left);
    case "RestElement":
      return boundNames(pattern.argument);
    case "TSParameterProperty":
      return boundNames(pattern.parameter);
    default:
      return [];
  }
}
