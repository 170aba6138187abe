/**
 * Evaluates foreign code, once a guest, and says what it is: a script, or a module with a handler.
 *
 * The code is parsed and transpiled here and not on the host: parsing is work that a hostile source can make long,
 * and Bun runs macros while it transpiles. The seal is in place before this file sees a byte of it.
 */
import type { ResetReason } from "../../../wire/heads.ts";
import type { LoadParcel } from "../../../wire/parcels.ts";
import type { PendingProgram, ProgramAdapter } from "../../guest/evaluated.ts";
import { describeSafely, InvalidResult } from "../../guest/failures.ts";
import { asHandler, objectOf } from "../../guest/handlers.ts";

/** The address of the code inside this guest; stack traces name it. */
let address = "";
let displayName = "";

/**
 * Parses `code`.
 * @throws {BuildMessage | AggregateError} when it is not a program
 */
export function parseProgram(load: LoadParcel, code: Uint8Array): PendingProgram {
  const loader = load.language === "javascript" ? "jsx" : "tsx";
  const text = new TextDecoder().decode(code);
  let exports: string[];
  try {
    exports = new Bun.Transpiler({ loader }).scan(text).exports;
  } catch (error) {
    // A generic arrow or a type assertion in angle brackets is TypeScript that JSX forbids.
    if (loader === "jsx") throw error;
    exports = new Bun.Transpiler({ loader: "ts" }).scan(text).exports;
    return pending(load, text, "ts", exports);
  }
  return pending(load, text, text.includes("</") || text.includes("/>") ? loader : plain[loader], exports);
}

/** The program that was sent: of a kind that one of `adapters` knows, or else code. @throws as `parseProgram` */
export function readProgram(adapters: readonly ProgramAdapter[], load: LoadParcel, bytes: Uint8Array): PendingProgram {
  for (const adapter of adapters) {
    const program = adapter.read(load, bytes);
    if (program === undefined) continue;
    // What was evaluated to warm the guest up has no part in this one's stacks.
    address = "";
    return program;
  }
  return parseProgram(load, bytes);
}

/** What the program called `listen` on, when it serves an application instead of exporting one. */
let listening: unknown;
/** From here on it is decided what the program is. */
let evaluated = false;

/**
 * Offers to serve an application: `listen` of the SDK looks for this name, and starts a server where it is not there.
 * @param began is called when the program takes the offer
 */
export function offerToListen(began: () => void): void {
  // What was evaluated to warm the guest up does not count.
  evaluated = false;
  const offer = (application: unknown) => {
    if (listening !== undefined) throw new Error("Cannot listen: the program listens already");
    if (evaluated) throw new Error("Cannot listen: the program's top level is over, and what it serves is decided");
    listening = application;
    began();
  };
  Object.defineProperty(globalThis, Symbol.for("isopod.application"), { value: offer });
}

const plain = { jsx: "js", tsx: "ts" } as const;

function pending(load: LoadParcel, text: string, extension: string, exports: string[]): PendingProgram {
  const name = load.exportName ?? "default";
  return {
    isModule: exports.includes(name),
    async evaluate() {
      // A file and not a blob with a type: Bun reads every typed blob as TypeScript, and the name's end as it is.
      address = URL.createObjectURL(new File([text], `program.${extension}`));
      displayName = load.name;
      const module = (await import(address)) as Record<string, unknown>;
      URL.revokeObjectURL(address);
      evaluated = true;
      const main = exports.includes(name) ? module[name] : listening;
      return main === undefined && !exports.includes(name)
        ? undefined
        : { handler: asHandler(main, name), exported: module, own: objectOf(main) };
    },
  };
}

/** What a thrown value says to the caller and to the log; places are in the program's own terms. Never throws. */
export function describeFailure(thrown: unknown): ResetReason {
  return describeSafely(thrown, describe);
}

function describe(thrown: unknown): ResetReason {
  const first = thrown instanceof AggregateError && thrown.errors.length > 0 ? thrown.errors[0] : thrown;
  const syntax = asSyntaxError(first);
  if (syntax !== undefined) return syntax;
  const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : `Uncaught ${Bun.inspect(thrown)}`;
  const stack = thrown instanceof Error ? (thrown.stack ?? "") : "";
  const named = withoutOwnFrames(address === "" ? stack : stack.replaceAll(address, displayName));
  const code = thrown instanceof InvalidResult ? "invalid_result" : "uncaught_exception";
  return { code, message, stack: named, ...placeIn(stack) };
}

/** Frames of this file, or of what calls a module, say nothing to whoever wrote the program; a module's have no places. */
const FRAMES_AROUND = { script: /\(node:async_hooks:/, module: /\((?:blob|node):|at unknown$/ };

function withoutOwnFrames(stack: string): string {
  const own = /\((\S+):\d+:\d+\)$/m.exec(new Error().stack ?? "")?.[1];
  const around = FRAMES_AROUND[address === "" ? "module" : "script"];
  const isOwn = (line: string) =>
    /^\s+at /.test(line) && ((own !== undefined && line.includes(`${own}:`)) || around.test(line));
  return stack
    .split("\n")
    .filter((line) => !isOwn(line))
    .join("\n");
}

interface BuildPosition {
  readonly message: string;
  readonly position: {
    readonly namespace?: string;
    readonly file: string;
    readonly line: number;
    readonly column: number;
  } | null;
}

function asSyntaxError(thrown: unknown): ResetReason | undefined {
  if (typeof thrown !== "object" || thrown === null) return undefined;
  const name = (thrown as { name?: unknown }).name;
  if (name !== "BuildMessage" && name !== "ResolveMessage") return undefined;
  const { message, position } = thrown as BuildPosition;
  const code = name === "BuildMessage" ? "syntax_error" : "unresolved_import";
  const named = address === "" ? message : message.replaceAll(address, displayName);
  // The bundler's modules have names; the program that was sent has none worth saying.
  const inModule = position?.namespace === "host";
  const text = inModule ? `${named} (${position.file}:${position.line}:${position.column})` : named;
  return { code, message: text, ...(position !== null && { line: position.line, column: position.column }) };
}

/** The first place in the program that a stack names. */
function placeIn(stack: string): { line: number; column: number } | undefined {
  const at = address === "" ? -1 : stack.indexOf(`${address}:`);
  const match = at < 0 ? null : /^:(\d+):(\d+)/.exec(stack.slice(at + address.length));
  return match ? { line: Number(match[1]), column: Number(match[2]) } : undefined;
}
