/** What the API shows of records: the schemas of answers, and how records become them. */
import { z } from "zod";
import type { FunctionRecord, Manifest } from "../deploy/records.ts";
import { aliasRecord, functionRecord, manifestRecord } from "../deploy/records.ts";
import { routeRecord } from "../fields.ts";

/** Digits of a hash that people are shown. */
const SHORT_DIGITS = 12;

/** The beginning of a version's hash. */
export function shortOf(version: string): string {
  return version.slice("sha256-".length, "sha256-".length + SHORT_DIGITS);
}

/** A function. */
export const functionView = z.object({
  project: z.string(),
  name: z.string(),
  aliases: z.record(z.string(), aliasRecord),
  routes: z.array(routeRecord),
  history: functionRecord.shape.history,
  createdAt: z.number(),
  updatedAt: z.number(),
  /** What `If-Match` takes. */
  revision: z.number(),
});

/** A version. */
export const versionView = z.object({
  project: z.string(),
  function: z.string(),
  version: z.string(),
  short: z.string(),
  ...manifestRecord.omit({ bundle: true }).shape,
  /** The aliases that stand for it. */
  aliases: z.array(z.string()),
  /** Where it answers, whatever aliases stand for. */
  preview: z.string(),
});

/** A function as it is shown. */
export function showFunction(
  project: string,
  name: string,
  record: FunctionRecord,
  revision: number,
): z.input<typeof functionView> {
  return { project, name, ...record, revision };
}

/** A version as it is shown. */
export function showVersion(
  project: string,
  name: string,
  version: string,
  { bundle: _, ...manifest }: Manifest,
  record: FunctionRecord | undefined,
  baseUrl: string,
): z.input<typeof versionView> {
  const aliases = Object.entries(record?.aliases ?? {}).flatMap(([alias, { targets }]) => {
    return targets.some((each) => each.version === version) ? [alias] : [];
  });
  const preview = previewUrl(baseUrl, project, name, version);
  return { project, function: name, version, short: shortOf(version), ...manifest, aliases, preview };
}

/** The address at which a version answers, whatever aliases stand for. */
export function previewUrl(baseUrl: string, project: string, name: string, version: string): string {
  const url = new URL(baseUrl);
  const owner = project === "default" ? name : `${name}--${project}`;
  return `${url.protocol}//${shortOf(version)}--${owner}.localhost${url.port === "" ? "" : `:${url.port}`}/`;
}
