/** Every command teaches by its --help, and docs/command-line.md has all of them with all their options, and no others. */
import { beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { isopod } from "../testing/command_line.ts";

/** A command, those below it included. */
interface HelpOf {
  readonly usage: string;
  readonly text: string;
  readonly options: readonly string[];
}

/** Documented once for all commands. */
const SHARED = ["--help", "--url", "--profile", "--project", "--data", "--json"];
/** Commands that no help lists: commander's own, and what shells ask. */
const UNLISTED = ["help", "complete"];
const DOCUMENT = join(import.meta.dir, "../../docs/command-line.md");

const commands = new Map<string, HelpOf>();
const sections = new Map<string, string>();

beforeAll(async () => {
  const { stdout } = await isopod(["--help"]);
  const found = await Promise.all(namesIn(stdout).map(async (name) => [name, await helpOf([name])] as const));
  for (const [name, help] of found) commands.set(name, help);
  const text = await Bun.file(DOCUMENT).text();
  for (const section of text.split(/^(?=##)/m)) {
    const name = /^### `isopod ([a-z]+)/.exec(section)?.[1];
    if (name !== undefined) sections.set(name, section);
  }
}, 30_000);

/** The commands that a help lists. */
function namesIn(help: string): string[] {
  const [, list = ""] = /\nCommands:\n((?: {2,}.*\n)+)/.exec(help) ?? [];
  return [...list.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = ""]) => name);
}

async function helpOf(path: readonly string[]): Promise<HelpOf> {
  const { code, stdout, stderr } = await isopod([...path, "--help"]);
  expect({ path, code, stderr }).toEqual({ path, code: 0, stderr: "" });
  const below = await Promise.all(namesIn(stdout).map((name) => helpOf([...path, name])));
  const [, list = ""] = /\nOptions:\n((?: {2,}.*\n)+)/.exec(stdout) ?? [];
  const options = [...list.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option = ""]) => option);
  return {
    usage: /^Usage: (.*)$/m.exec(stdout)?.[1] ?? "",
    text: [stdout, ...below.map(({ text }) => text)].join("\n"),
    options: [...options, ...below.flatMap((each) => each.options)],
  };
}

test("each command's help says how it is used, and gives an example or says what its exit code means", () => {
  expect(commands.size).toBeGreaterThan(20);
  for (const [name, { usage, text }] of commands) {
    expect(usage).toStartWith(`isopod ${name}`);
    expect({ name, teaches: /\nExamples?:\n|Ends with/.test(text) }).toEqual({ name, teaches: true });
  }
});

test("the page has every command with every option", () => {
  expect([...sections.keys()].sort()).toEqual([...commands.keys()].sort());
  const missing = [...commands].flatMap(([name, { options }]) => {
    const section = sections.get(name) ?? "";
    return options
      .filter((option) => !SHARED.includes(option) && !new RegExp(`\`[^\`]*${option}\\b(?!-)[^\`]*\``).test(section))
      .map((option) => `isopod ${name}: ${option} is not in docs/command-line.md`);
  });
  expect(missing).toEqual([]);
});

test("the page has no option that there is not", () => {
  const invented = [...sections].flatMap(([name, section]) => {
    const known = new Set([...SHARED, ...(commands.get(name)?.options ?? [])]);
    const named = [...section.matchAll(/`[^`\n]*`/g)].flatMap(([code]) => code.match(/--[a-z][a-z-]*/g) ?? []);
    return named.filter((option) => !known.has(option)).map((option) => `isopod ${name}: there is no ${option}`);
  });
  expect(invented).toEqual([]);
});

test("texts of the sources name no command and no page that there is not", async () => {
  const root = join(import.meta.dir, "../..");
  const wrong: string[] = [];
  for (const file of new Bun.Glob("src/**/*.ts").scanSync(root)) {
    if (file.endsWith(".test.ts")) continue;
    const text = await Bun.file(join(root, file)).text();
    for (const [, name = ""] of text.matchAll(/`isopod ([a-z]+)/g))
      if (!commands.has(name) && !UNLISTED.includes(name)) wrong.push(`${file}: isopod ${name}`);
    for (const [page] of text.matchAll(/\bdocs\/[\w-]+\.md/g))
      if (!existsSync(join(root, page))) wrong.push(`${file}: ${page}`);
  }
  expect(wrong).toEqual([]);
});

test("help COMMAND says the same as COMMAND --help", async () => {
  expect(await isopod(["help"])).toEqual(await isopod(["--help"]));
  expect(await isopod(["help", "sql", "migrate"])).toEqual(await isopod(["sql", "migrate", "--help"]));
  const unknown = await isopod(["help", "depoly"]);
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("Did you mean deploy?")]);
});

test("what was typed wrong is said as all else is, with the command that explains it", async () => {
  const { code, stderr } = await isopod(["sql", "migrate", "shop"]);
  expect([code, stderr]).toEqual([
    2,
    "isopod: missing required argument 'dir'\n  → isopod sql migrate --help says how it is used\n",
  ]);
  expect((await isopod(["secret", "foo"])).stderr).toEndWith("→ isopod secret --help lists the commands\n");
});

test("no help is wider than 80 columns where it is not an example, nor shows a value of our code", () => {
  for (const { text } of commands.values()) {
    const explained = text.split("\n").filter((line) => /^ {2,}(-|\w+ {2,})/.test(line) && !/^ {2}isopod/.test(line));
    expect(explained.filter((line) => line.length > 80)).toEqual([]);
    expect(text).not.toContain("(default: [])");
  }
});
