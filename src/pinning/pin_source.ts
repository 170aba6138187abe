/**
 * What the plug-ins of all bundlers do: replace the functions that a file sends by the hashes of their programs, and
 * register these before the build is over.
 */
import { relative } from "node:path";
import MagicString, { type SourceMap } from "magic-string";
import type { FindModule } from "./clients.ts";
import { registerPin } from "./register.ts";
import { findSentCalls, type SentProgram } from "./sent_calls.ts";
import { languageOf } from "./syntax.ts";

/** Options of the plug-ins. */
export interface PinFunctionsOptions {
  /** The server's admin address; the variable `ISOPOD_URL`, else `http://127.0.0.1:8081`, when left out. */
  readonly url?: string;
  /** What lets the build pin: the admin token, or a key that may; the variable `ISOPOD_TOKEN` when left out. */
  readonly token?: string;
  /** Whether the build registers what it found; without it `isopod pin` must. */
  readonly register?: boolean;
  /** Is given each function that was found. */
  readonly found?: (pinned: { readonly hash: string; readonly at: string; readonly code: string }) => void;
}

/** The file after its functions were replaced. */
export interface PinnedSource {
  readonly code: string;
  readonly map: SourceMap;
}

/** One build. */
export class PinBuild {
  readonly #options: PinFunctionsOptions;
  readonly #programs = new Map<string, { readonly program: SentProgram; readonly at: string }>();

  constructor(options: PinFunctionsOptions) {
    this.#options = options;
  }

  /** Whether a file may send functions: sources of the project, in a language that is read. */
  static mayHold(file: string): boolean {
    return languageOf(file) !== undefined && !/[\\/]node_modules[\\/]/.test(file) && !file.includes("\0");
  }

  /**
   * `text` with its functions replaced; undefined when it sends none.
   * @param root the folder that places are relative to
   * @throws {Error} that says where, when something is sent that cannot be pinned
   */
  async replace(text: string, file: string, root: string, find: FindModule): Promise<PinnedSource | undefined> {
    const calls = await findSentCalls(text, file, find);
    if (calls.length === 0) return undefined;
    const source = new MagicString(text);
    for (const { start, end, line, column, program } of calls) {
      const at = `${relative(root, file).replaceAll("\\", "/")}:${line}:${column}`;
      if (!this.#programs.has(program.hash)) this.#options.found?.({ hash: program.hash, at, code: program.code });
      this.#programs.set(program.hash, { program, at });
      source.overwrite(start, end, JSON.stringify({ pinned: program.hash, at }));
    }
    return { code: source.toString(), map: source.generateMap({ source: file, includeContent: true, hires: true }) };
  }

  /** Registers what was found, once. @throws {Error} when the server does not take it */
  async register(): Promise<void> {
    if (this.#options.register === false || this.#programs.size === 0) return;
    const url = this.#options.url ?? (process.env["ISOPOD_URL"] || "http://127.0.0.1:8081");
    const token = this.#options.token ?? process.env["ISOPOD_TOKEN"];
    if (!token) {
      throw new Error(
        "Cannot pin functions: the token is missing; set ISOPOD_TOKEN, or let `isopod pin` register them and give register: false",
      );
    }
    for (const [hash, { program, at }] of [...this.#programs]) {
      const made = await registerPin(program, at, { url, token });
      if (made !== hash) throw new Error(`Cannot pin ${at}: the server's hash is ${made}, and ${hash} was expected`);
      this.#programs.delete(hash);
    }
  }
}
