/**
 * Which server a command talks to, as whom, and in which project.
 *
 * What is typed comes before the environment, and an address before a profile. A token is not sent where it does not
 * belong: a profile's goes to the profile's address only, and the one of a local server to this machine only.
 */
import { resolve } from "node:path";
import { findProfile, type Profile, readProfiles } from "../profile/profiles.ts";
import { DEFAULT_URL, type SharedOptions } from "./command_options.ts";
import { defaultDataDirectory, findToken } from "./data_directory.ts";
import { serverUrl } from "./server_client.ts";

/** A server, and the caller there. */
export interface Target {
  readonly url: URL;
  readonly token: string | undefined;
  readonly project: string;
  /** Whether somebody named the project; else it is the one that everything belongs to which names none. */
  readonly projectNamed: boolean;
  /** Where a token was looked for, for whoever has none. */
  readonly lookedFor: string;
}

/** Finds the server that the options and the environment name. @throws {CommandFailure} for one that cannot be read */
export function findTarget(options: SharedOptions): Target {
  const { env } = process;
  const profileName = options.profile ?? (options.url === undefined ? unsaidProfile() : undefined);
  const profile = profileName === undefined ? undefined : findProfile(profileName);
  const fromEnv = env["ISOPOD_URL"] || undefined;
  // A profile that was typed is meant, whatever the environment says.
  const typed = options.url ?? (options.profile === undefined ? undefined : profile?.url);
  const url = serverUrl(typed ?? fromEnv ?? profile?.url ?? DEFAULT_URL, "/");
  const own = profile !== undefined && serverUrl(profile.url, "/").origin === url.origin ? profile : undefined;
  const data = resolve(options.data ?? (env["ISOPOD_DATA"] || defaultDataDirectory()));
  const project = projectFor(options, own);
  return {
    url,
    token: tokenFor(options, own, url, data),
    project: project ?? "default",
    projectNamed: project !== undefined,
    lookedFor: [
      "ISOPOD_TOKEN",
      ...(profileName === undefined ? [] : [`the profile ${profileName}`]),
      ...(isLocal(url, options) ? [data] : []),
    ].join(", "),
  };
}

/** The profile of the environment; else the current one, unless the environment names a server. */
function unsaidProfile(): string | undefined {
  const { env } = process;
  return env["ISOPOD_PROFILE"] || (env["ISOPOD_URL"] ? undefined : readProfiles().current);
}

function tokenFor(options: SharedOptions, profile: Profile | undefined, url: URL, data: string): string | undefined {
  const typedProfile = options.profile === undefined ? undefined : profile?.token;
  const local = () => (isLocal(url, options) ? findToken(data) : undefined);
  return typedProfile ?? (process.env["ISOPOD_TOKEN"] || undefined) ?? profile?.token ?? local();
}

function projectFor(options: SharedOptions, profile: Profile | undefined): string | undefined {
  const typed = options.project ?? (options.profile === undefined ? undefined : profile?.project);
  return typed ?? (process.env["ISOPOD_PROJECT"] || undefined) ?? profile?.project;
}

/** Whether the token of the data directory may be for this address; one that names the directory says so. */
function isLocal({ hostname }: URL, { data }: SharedOptions): boolean {
  return data !== undefined || hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
}
