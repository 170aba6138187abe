/** The command line: one file a command, joined here. */
import { Command } from "commander";
import { serveCommand } from "./serve.ts";

const program = new Command("isopod")
  .description("Runs any code behind one URL, on your own machines, with limits that hold.")
  .version("0.1.0")
  .showHelpAfterError("(isopod --help lists the commands)");
program.addCommand(serveCommand());
await program.parseAsync();
