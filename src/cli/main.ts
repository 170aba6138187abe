/**
 * The command line: one file a command, joined here.
 *
 * A command loads what it works with when it runs, so that `--help` and the commands that only talk to a server start
 * without one.
 */
import { Command } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { aliasCommand } from "./alias.ts";
import { auditCommand } from "./audit.ts";
import { cacheCommand } from "./cache.ts";
import { completeCommand, completionCommand } from "./completion/completion.ts";
import { deleteCommand } from "./delete.ts";
import { deployCommand } from "./deploy/deploy.ts";
import { devCommand } from "./dev/dev.ts";
import { doctorCommand } from "./doctor.ts";
import { envCommand } from "./env.ts";
import { EXIT } from "./exit_codes.ts";
import { initCommand } from "./init/init.ts";
import { invokeCommand } from "./invoke.ts";
import { keysCommand } from "./keys.ts";
import { logsCommand } from "./logs/logs.ts";
import { pinCommand } from "./pin.ts";
import { plansCommand } from "./plans.ts";
import { profileCommand } from "./profile/profile.ts";
import { projectsCommand } from "./projects.ts";
import { promoteCommand } from "./promote.ts";
import { queuesCommand } from "./queues.ts";
import { rollbackCommand } from "./rollback.ts";
import { routesCommand } from "./routes.ts";
import { runCommand } from "./run/run.ts";
import { schedulesCommand } from "./schedules.ts";
import { secretCommand } from "./secret.ts";
import { serveCommand } from "./serve.ts";
import { sqlCommand } from "./sql/sql.ts";
import { statusCommand } from "./status.ts";
import { explainAlike, explainItself, helpAsOption } from "./terminal/help_text.ts";
import { fail } from "./terminal/terminal.ts";
import { typesCommand } from "./types.ts";
import { versionsCommand } from "./versions.ts";

const EXAMPLES = `
Start here:
  isopod doctor                       what this machine offers for sandboxes
  isopod serve                        a server on 127.0.0.1:8080, admin API on 127.0.0.1:8081
  isopod run hello.ts                 runs a file on it; or: curl localhost:8080/run --data-binary @hello.ts
  isopod serve --config isopod.toml   functions with routes, plans and keys

isopod COMMAND --help, or isopod help COMMAND, says more about each.
`;

const program = explainAlike(new Command("isopod"))
  .description(packageJson.description)
  .version(packageJson.version, "-V, --version", "print the version")
  .helpOption("-h, --help", "print this")
  .helpCommand(false)
  // Options after a command are the command's: it may have a --version of its own.
  .enablePositionalOptions()
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? EXIT.done : EXIT.usage))
  .addHelpText("after", EXAMPLES);

/** In the order of their work: on this machine, on what is deployed, on a server. */
const COMMANDS = [
  ...[initCommand(), devCommand(), typesCommand()],
  ...[deployCommand(), versionsCommand(), rollbackCommand(), aliasCommand(), promoteCommand(), routesCommand()],
  ...[deleteCommand(), statusCommand(), invokeCommand(), logsCommand(), envCommand(), secretCommand()],
  ...[sqlCommand(), cacheCommand(), schedulesCommand(), queuesCommand()],
  ...[keysCommand(), plansCommand(), projectsCommand(), auditCommand(), profileCommand()],
  ...[serveCommand(), runCommand(), pinCommand(), doctorCommand(), completionCommand()],
];
for (const command of COMMANDS) program.addCommand(adopt(command));
program.addCommand(adopt(completeCommand(() => program)), { hidden: true });
explainItself(program, ["isopod"]);

/** Gives a command and those below it what all commands have in common. */
function adopt(command: Command, above: readonly string[] = ["isopod"]): Command {
  const path = [...above, command.name()];
  for (const below of command.commands) adopt(below, path);
  command.helpOption("-h, --help", "print this").helpCommand(false).copyInheritedSettings(program);
  explainItself(command, path);
  return command;
}

// Who read our output has read enough, as in `isopod run x.ts | head -1`: what ends other programs by SIGPIPE.
process.stdout.on("error", () => process.exit(141));
try {
  await program.parseAsync(helpAsOption(process.argv.slice(2), program), { from: "user" });
  // What was written last is out; the launcher's pipe alone must not keep us.
  await new Promise<void>((resolve) => process.stdout.write("", () => resolve()));
  process.exit();
} catch (error) {
  fail(error);
}
