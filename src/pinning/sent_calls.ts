/**
 * Finds the functions that a source file sends to servers: `server.run(async () => …)` where `server` was made by
 * `connect`. What is hashed is the program that `run` would send for the function's text as it stands in the file.
 *
 * Babel's parser reads them: it knows TypeScript and JSX as they are today, is plain JavaScript, so that it works
 * wherever a build does and in one compiled file, and gives positions in the text as it was.
 */
import { programOf } from "../sdk/sent_function.ts";
import { type FindModule, isClient } from "./clients.ts";
import { functionNamed, type Names, readNames } from "./names.ts";
import { bare, isFunction, languageOf, type Node, parseFile, walk } from "./syntax.ts";

/** A function that is sent. */
export interface SentCall {
  /** Where in the text the argument stands that names it. */
  readonly start: number;
  readonly end: number;
  /** Where the function itself begins; both count from 1. */
  readonly line: number;
  readonly column: number;
  readonly program: SentProgram;
}

/** The program that a function is sent as. */
export interface SentProgram {
  readonly code: string;
  readonly language: "javascript" | "typescript";
  /** `sha256-<hex>` of the code. */
  readonly hash: string;
}

/**
 * The functions that the file sends, in their order.
 * @throws {Error} that says where, when the file cannot be read, or what is sent is no function that stands in it
 */
export async function findSentCalls(text: string, file: string, find: FindModule): Promise<SentCall[]> {
  const language = languageOf(file);
  if (language === undefined || !/\.\s*run\b/.test(text)) return [];
  const tree = parseFile(text, file);
  const names = readNames(tree);
  const found: SentCall[] = [];
  for (const { object, argument } of runCalls(tree)) {
    if (!(await isClient(object, names, file, find))) continue;
    if (object.type === "Identifier") checkBoundOnce(object.name, names, file, object);
    if (argument === undefined) throw new Error(`Cannot pin the call at ${place(file, object)}: it has no argument`);
    const fn = functionOf(argument, names, file);
    const code = programOf(text.slice(fn.start ?? 0, fn.end ?? 0));
    const { line, column } = positionOf(fn);
    const program = { code, language, hash: await hashOf(code) };
    found.push({ start: argument.start ?? 0, end: argument.end ?? 0, line, column, program });
  }
  return found;
}

interface RunCall {
  readonly object: Node;
  readonly argument: Node | undefined;
}

/** The calls of a method `run`. */
function runCalls(tree: Node): RunCall[] {
  const calls: RunCall[] = [];
  walk(tree, (node) => {
    if (node.type !== "CallExpression" && node.type !== "OptionalCallExpression") return;
    const callee = bare(node.callee);
    if (callee?.type !== "MemberExpression" && callee?.type !== "OptionalMemberExpression") return;
    if (callee.computed || callee.property.type !== "Identifier" || callee.property.name !== "run") return;
    calls.push({ object: bare(callee.object) ?? callee.object, argument: node.arguments[0] });
  });
  return calls;
}

/** The function that an argument is or names. */
function functionOf(argument: Node, names: Names, file: string): Node {
  const value = bare(argument);
  if (value !== undefined && isFunction(value)) return value;
  if (value?.type === "Identifier") {
    const named = functionNamed(names, value.name);
    if (named !== undefined) {
      checkBoundOnce(value.name, names, file, value);
      return named;
    }
  }
  throw new Error(
    `Cannot pin what is run at ${place(file, argument)}: expected a function that stands there, or the name of one in this file`,
  );
}

function checkBoundOnce(name: string, { bound }: Names, file: string, node: Node): void {
  if (bound.get(name) === 1) return;
  throw new Error(
    `Cannot tell what "${name}" is at ${place(file, node)}: the file binds that name more than once; give one of them another name`,
  );
}

function positionOf(node: Node): { readonly line: number; readonly column: number } {
  const { line = 1, column = 0 } = node.loc?.start ?? {};
  return { line, column: column + 1 };
}

function place(file: string, node: Node): string {
  const { line, column } = positionOf(node);
  return `${file}:${line}:${column}`;
}

async function hashOf(code: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(code)));
  return `sha256-${[...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
