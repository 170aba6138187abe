/** What a deploy brings: JSON, or a form with the same JSON and the files beside it. */
import { z } from "zod";
import { parseBoundedJson } from "../../core/bounded_json.ts";
import { IsopodError } from "../../core/errors.ts";
import { ENGINE_NAMES } from "../../core/function.ts";
import { WASM_EXPORT } from "../../core/wasm_program.ts";
import type { DeployInput } from "../deploy/deployer.ts";
import type { DeployedFile } from "../deploy/version_files.ts";
import { ASSETS_MAX, assetFile, hash, name, newRoute, routeRecord, settings, versionFile } from "../fields.ts";
import { read } from "./router.ts";

const fileAt = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z
    .strictObject({
      ...shape,
      hash: hash.optional(),
      content: z.string().optional(),
      contentBase64: z.base64().optional(),
    })
    .refine((file) => Object.keys(file).some((key) => key === "hash" || key.startsWith("content")), {
      message: "expected a hash, content or contentBase64",
    });

const { path, executable, layer } = versionFile.shape;
const codeFile = fileAt({ path, executable, layer });

/** What a version is made of. */
export const versionBody = z.strictObject({
  engine: z.enum(ENGINE_NAMES).default("script"),
  files: z.array(codeFile).max(1000).default([]),
  assets: z
    .array(fileAt({ path: assetFile.shape.path }))
    .max(ASSETS_MAX)
    .optional(),
  entry: z.string().optional(),
  exportName: z.string().min(1).max(200).optional(),
  settings: settings.prefault({}),
  message: z.string().max(1000).optional(),
});

/** A route as it is written, to `production` unless it says another alias. */
export const routeInput = z.union([
  newRoute.transform((route) => ({ route, alias: "production" })),
  routeRecord.extend({ route: newRoute }),
]);

/** What a deploy is made of. */
export const deployBody = versionBody.extend({
  alias: name.optional(),
  routes: z.array(routeInput).max(1000).optional(),
});

/** Types of a body that brings its files in a form. */
export const FORM_TYPES = ["multipart/form-data"] as const;
const FORM_BYTES_MAX = 20 * 1024 * 1024;

/**
 * What a request brings: `body` where it was JSON, else its form, whose field `deploy` is the JSON and whose other fields
 * are files, each with its path as its file name; those in fields called `asset` are static files.
 */
export async function readDeploy(
  body: z.output<typeof deployBody> | undefined,
  request: Request,
): Promise<DeployInput> {
  const form = body === undefined ? await readForm(request) : undefined;
  const said = body ?? form?.said;
  if (said === undefined) throw new IsopodError("bad_request", { message: "Cannot read the deploy: it has no body" });
  const files = [...said.files.map(toFile), ...(form?.files ?? [])];
  const assets = [...(said.assets ?? []).map(toFile), ...(form?.assets ?? [])];
  const { engine, settings: own, message, alias, routes } = said;
  const { exportName = engine === "wasm" ? WASM_EXPORT : "default" } = said;
  return {
    engine,
    exportName,
    settings: own,
    message,
    alias,
    routes,
    files,
    assets,
    entry: said.entry ?? entryOf(files),
  };
}

function toFile({ hash: known, content, contentBase64, ...file }: z.output<typeof codeFile>): DeployedFile {
  const bytes =
    contentBase64 === undefined ? content && new TextEncoder().encode(content) : Buffer.from(contentBase64, "base64");
  return { ...file, hash: known, content: content === "" ? new Uint8Array() : bytes || undefined };
}

async function readForm(request: Request) {
  const told = Number(request.headers.get("content-length") ?? 0);
  if (told > FORM_BYTES_MAX)
    throw new IsopodError("body_too_large", { limit: { name: "bodyBytesMax", value: FORM_BYTES_MAX } });
  const form = await request.formData().catch((cause: unknown) => {
    throw new IsopodError("bad_request", { message: "Cannot read the deploy: its form is broken", cause });
  });
  let json: unknown = {};
  const files: DeployedFile[] = [];
  const assets: DeployedFile[] = [];
  for (const [field, value] of form.entries()) {
    if (field !== "deploy" && value instanceof File) {
      const [form, list] = field === "asset" ? [assetFile, assets] : [versionFile, files];
      const { path } = read(form.pick({ path: true }), { path: value.name }, "file's name") as { path: string };
      list.push({ path, content: new Uint8Array(await value.arrayBuffer()) });
    } else if (field === "deploy") {
      json = parseBoundedJson(value instanceof File ? await value.text() : String(value), "the deploy");
    }
  }
  return { said: read(deployBody, json, "deploy") as z.output<typeof deployBody>, files, assets };
}

const ENTRY = /^(index|main)\.[mc]?[jt]sx?$/;

/** The file that a deploy begins with, when it does not say. @throws {IsopodError} `bad_request` */
function entryOf(files: readonly { readonly path: string }[]): string {
  const code = files.map(({ path }) => path).filter((path) => !path.endsWith(".map"));
  const [only, ...others] = code;
  const entry = others.length === 0 ? only : code.find((path) => ENTRY.test(path));
  if (entry !== undefined) return entry;
  const message =
    code.length === 0 ? "Cannot deploy: there are no files" : "Cannot deploy: say which of the files is the `entry`";
  throw new IsopodError("bad_request", { message });
}
