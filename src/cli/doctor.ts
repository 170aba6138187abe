/** `isopod doctor`: what this machine offers, what follows from it, and what to install or to set. */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { defaultDataDirectory } from "./reaching/data_directory.ts";
import { type Colour, paintFor } from "./terminal/terminal.ts";

interface DoctorOptions {
  readonly data: string;
  readonly json?: boolean;
}

const MARKS = {
  ok: ["green", "ok     "],
  limited: ["yellow", "limited"],
  missing: ["red", "missing"],
} as const satisfies Record<string, readonly [Colour, string]>;

/** The command. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Say what this machine offers for running foreign code, and what to mend. Changes nothing.")
    .addOption(
      new Option("--data <dir>", "where a server would keep its data")
        .env("ISOPOD_DATA")
        .default(defaultDataDirectory()),
    )
    .option("--json", "print {untrusted_code, findings: [{name, state, found, follows, mend}]} as JSON")
    .addHelpText(
      "after",
      "\nEnds with 1 when foreign code cannot be run here, with 0 when it can, whatever is limited.\n",
    )
    .action(doctor);
}

async function doctor({ data, json }: DoctorOptions): Promise<void> {
  const { examine } = await import("../main.ts");
  const findings = await examine({ dataDirectory: resolve(data), chromium: process.env["ISOPOD_CHROMIUM"] });
  const works = findings.every(({ state }) => state !== "missing");
  process.exitCode = works ? 0 : 1;
  if (json) {
    process.stdout.write(`${JSON.stringify({ untrusted_code: works, findings }, undefined, 2)}\n`);
    return;
  }
  const paint = paintFor(process.stdout);
  const width = Math.max(...findings.map(({ name }) => name.length));
  for (const { name, state, found, follows, mend } of findings) {
    const [colour, mark] = MARKS[state];
    process.stdout.write(
      `${paint(colour, mark)}  ${name.padEnd(width)}  ${found}\n${" ".repeat(width + 11)}${paint("grey", follows)}\n`,
    );
    if (mend !== undefined) process.stdout.write(`${" ".repeat(width + 11)}${paint("bold", mend)}\n`);
  }
  const verdict = works ? "Foreign code can be run here." : "Foreign code cannot be run here: mend what is missing.";
  process.stdout.write(`\n${paint(works ? "green" : "red", verdict)}\n`);
}
