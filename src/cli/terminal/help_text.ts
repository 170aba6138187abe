/** How the command line explains itself and says what was typed wrong, in the width of the terminal. */
import type { Command } from "commander";

/** Beside the names there is room for sentences, also on a terminal of 60 columns. */
const SENTENCE_WIDTH_MIN = 20;

/** What all commands do alike; commands that are added later inherit it. */
export function explainAlike(program: Command): Command {
  return program
    .configureHelp({ minWidthToWrap: SENTENCE_WIDTH_MIN, subcommandTerm: (command) => command.name() })
    .configureOutput({
      writeOut: (text) => process.stdout.write(process.stdout.isTTY ? fitted(text, process.stdout.columns) : text),
      outputError: (text, write) => write(text.replace(/^error: /, "isopod: ")),
    });
}

/** What `path` says below a mistake; lists without a standard value say so in words. */
export function explainItself(command: Command, path: readonly string[]): void {
  const says = command.commands.length > 0 ? "lists the commands" : "says how it is used";
  command.showHelpAfterError(`  → ${path.join(" ")} --help ${says}`);
  for (const option of command.options) {
    if (Array.isArray(option.defaultValue) && option.defaultValue.length === 0)
      option.defaultValueDescription ??= "none";
  }
}

/** `help sql migrate` as `sql migrate --help`; everything else as it is. */
export function helpAsOption(words: readonly string[], program: Command): readonly string[] {
  const [first, ...path] = words;
  if (first !== "help") return words;
  const isCommand = path[0] === undefined || program.commands.some((command) => command.name() === path[0]);
  return isCommand ? [...path, "--help"] : path;
}

/** Breaks the paragraphs of `text` anew for `columns`; what is indented stays as it is. */
export function fitted(text: string, columns: number): string {
  const lines: string[] = [];
  let isParagraph = false;
  for (const line of text.split("\n")) {
    const isText = line !== "" && !/^(\s|Usage: )/.test(line);
    if (isText && isParagraph) lines.push(...broken(`${lines.pop()} ${line}`, columns));
    else lines.push(...(isText ? broken(line, columns) : [line]));
    isParagraph = isText;
  }
  return lines.join("\n");
}

function broken(line: string, columns: number): string[] {
  const lines: string[] = [];
  let current = "";
  for (const word of line.split(" ")) {
    if (current !== "" && current.length + 1 + word.length > columns) {
      lines.push(current);
      current = word;
    } else current = current === "" ? word : `${current} ${word}`;
  }
  return [...lines, current];
}
