/**
 * Named profiles of remote servers: address, token and project, in `$XDG_CONFIG_HOME/isopod/profiles.toml`, which its
 * owner alone can read. The key `current` above them names the one that is meant when nobody says which.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { usageError } from "../exit_codes.ts";
import { messageOf } from "../terminal/terminal.ts";

/** How a server is reached. */
export interface Profile {
  readonly url: string;
  readonly token?: string;
  readonly project?: string;
}

/** The profiles by name, and which of them is current. */
export interface ProfileFile {
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly current: string | undefined;
}

const KEYS = ["url", "token", "project"] as const;
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** Where the profiles stand. */
export function profilesFile(): string {
  return join(process.env["XDG_CONFIG_HOME"] || join(homedir(), ".config"), "isopod", "profiles.toml");
}

/** The profiles; none when there is no file. @throws {CommandFailure} when the file cannot be read */
export function readProfiles(file: string = profilesFile()): ProfileFile {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT")
      return { profiles: new Map(), current: undefined };
    throw usageError(`Cannot read the profiles in ${file}: ${messageOf(cause)}`);
  }
  let parsed: object;
  try {
    parsed = Bun.TOML.parse(text);
  } catch (cause) {
    throw usageError(`Cannot read the profiles in ${file}: ${messageOf(cause)}`);
  }
  const { current, ...tables }: Readonly<Record<string, unknown>> = { ...parsed };
  const profiles = new Map(Object.entries(tables).map(([name, value]) => [name, checkProfile(file, name, value)]));
  if (current === undefined || (typeof current === "string" && profiles.has(current))) return { profiles, current };
  throw usageError(`Cannot read the profiles in ${file}: current names none of them`, "isopod profile use NAME");
}

/** The profile of this name. @throws {CommandFailure} that names those that there are */
export function findProfile(name: string, file: string = profilesFile()): Profile {
  const { profiles: all } = readProfiles(file);
  const found = all.get(name);
  if (found !== undefined) return found;
  const known = all.size === 0 ? "there are none yet" : `there are ${[...all.keys()].join(", ")}`;
  throw usageError(
    `Cannot find the profile "${name}": ${known} (${file})`,
    `isopod profile add ${name} --url https://…`,
  );
}

/** Puts these profiles in the place of those in the file, at once. @throws {CommandFailure} when one is of no use */
export function writeProfiles({ profiles, current }: ProfileFile, file: string = profilesFile()): void {
  const text = [...profiles].map(([name, profile]) => {
    if (!NAME.test(name) || name === "current")
      throw usageError(`Cannot keep the profile "${name}": expected letters, digits, - and _, 64 of them at the most`);
    checkProfile(file, name, profile);
    const lines = KEYS.flatMap((key) =>
      profile[key] === undefined ? [] : [`${key} = ${JSON.stringify(profile[key])}`],
    );
    return `[${name}]\n${lines.join("\n")}\n`;
  });
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const draft = `${file}.${process.pid}`;
  try {
    const head = current === undefined ? [] : [`current = ${JSON.stringify(current)}\n`];
    writeFileSync(draft, [...head, ...text].join("\n"), { mode: 0o600, flag: "w" });
    chmodSync(draft, 0o600);
    renameSync(draft, file);
  } finally {
    rmSync(draft, { force: true });
  }
}

function checkProfile(file: string, name: string, value: unknown): Profile {
  const refuse = (what: string) => usageError(`Cannot read the profile "${name}": ${what} (${file})`);
  if (typeof value !== "object" || value === null) throw refuse(`expected [${name}] with url, token and project`);
  for (const [key, each] of Object.entries(value)) {
    if (!(KEYS as readonly string[]).includes(key)) throw refuse(`"${key}" is no key; expected ${KEYS.join(", ")}`);
    if (each !== undefined && typeof each !== "string") throw refuse(`${key} must be a string`);
  }
  if (!("url" in value) || typeof value.url !== "string") throw refuse("url is missing, the address of an admin API");
  return value as Profile;
}
