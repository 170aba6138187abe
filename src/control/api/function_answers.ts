/** What the endpoints of functions share: whose function it is, and what is answered of it. */
import { z } from "zod";
import type { Deployed } from "../deploy/deployer.ts";
import type { PointerMove } from "../deploy/pointers.ts";
import type { VersionOwner } from "../deploy/version_checks.ts";
import type { Call } from "./endpoint.ts";
import { functionView, previewUrl, shortOf, showFunction } from "./views.ts";

/** Takes a key that may deploy. */
export const DEPLOY = { scopes: ["deploy"] } as const;
/** Takes a key that may deploy or read logs. */
export const READ = { scopes: ["deploy", "logs"] } as const;

/** What a deploy answers. */
export const deployedView = z.object({
  project: z.string(),
  function: z.string(),
  version: z.string(),
  short: z.string(),
  /** Whether everything was as it is already. */
  unchanged: z.boolean(),
  preview: z.string(),
  record: functionView,
});

/** The function that a call is about, and who calls. */
export function ownerOf({ params, who }: Call<{ project: string; function: string }, unknown, unknown>): VersionOwner {
  const { project, function: name } = params;
  return { project, name, by: who.label, isServer: who.project === undefined, plan: who.plan };
}

/** The function after a move. */
export function answerMove({ project, name }: VersionOwner, { after, revision }: PointerMove) {
  return { body: showFunction(project, name, after, revision), revision };
}

/** What became of a deploy. */
export function answerDeploy(baseUrl: string, { project, name }: VersionOwner, deployed: Deployed) {
  const { version, record, revision, unchanged } = deployed;
  const preview = previewUrl(baseUrl, project, name, version);
  const body = { project, function: name, version, short: shortOf(version), unchanged, preview };
  return { body: { ...body, record: showFunction(project, name, record, revision) }, revision };
}
