/**
 * `isopod completion SHELL` prints what a shell loads, and `isopod complete -- WORDS` is what that asks: the words that
 * may stand in the place of the last one, each with what it is after a tab.
 */
import { Argument, Command } from "commander";
import { COMPLETION_SCRIPTS, SHELLS, type Shell } from "./completion_scripts.ts";
import { suggest } from "./completion_words.ts";

const HELP = `
Commands, options and their values are completed; names of functions, projects and profiles as well, where a server can
be reached at once.

Examples:
  eval "$(isopod completion bash)"                       in this shell
  isopod completion bash >> ~/.bashrc                    in every one
  isopod completion zsh >> ~/.zshrc
  isopod completion fish > ~/.config/fish/completions/isopod.fish
`;

/** The command that prints the scripts. */
export function completionCommand(): Command {
  return new Command("completion")
    .description("Print what lets a shell complete isopod's commands, options and names.")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .addHelpText("after", HELP)
    .action((shell: Shell) => {
      process.stdout.write(COMPLETION_SCRIPTS[shell]);
    });
}

/** The command that the scripts call; `tree` gives all commands. */
export function completeCommand(tree: () => Command): Command {
  return new Command("complete")
    .argument("[words...]")
    .allowUnknownOption()
    .action(async (words: string[]) => {
      const found = await suggest(tree(), words);
      process.stdout.write(found.map(({ word, about }) => `${word}\t${about}\n`).join(""));
    });
}
