/**
 * Which engine runs what AWS calls a runtime. Adding one is a row of the table: what its names look like, and how a
 * version is made of the files of a zip and of a handler's name.
 */
import { posix } from "node:path";
import type { EngineName } from "../../core/function.ts";
import type { VersionInput } from "../deploy/version_checks.ts";
import type { DeployedFile } from "../deploy/version_files.ts";
import { invalid } from "./failures.ts";
import { programSettings, pythonOf } from "./machine_programs.ts";

/** The runtime that is shown of what was not created by this API: a module with a `fetch`. */
export const OWN_RUNTIME = "isopod.script";
/** The same of a program. */
export const PROGRAM_RUNTIME = "provided.al2023";

/** What a runtime makes of the files of a zip. */
export interface RuntimeCode extends Pick<VersionInput, "engine" | "files" | "entry" | "exportName"> {
  /** How a program is started, when that is not by its entry. */
  readonly process?: VersionInput["settings"]["process"];
}

interface RuntimeRule {
  /** The names of AWS that it answers to. */
  readonly pattern: RegExp;
  /** As it is listed. */
  readonly shown: string;
  readonly engine: EngineName;
  /** Invocations of one instance at a time; the engine's own default when left out. */
  readonly concurrency?: number;
  /** @throws {LambdaError} `InvalidParameterValueException` */
  code(given: GivenCode, runtime: string): Omit<RuntimeCode, "engine">;
}

/** What a function is created with. */
interface GivenCode {
  /** The function's. */
  readonly name: string;
  /** Those of the zip. */
  readonly files: readonly DeployedFile[];
  readonly handler: string;
  /** What calls handlers in the engine of scripts: its modules, by the names that they import one another by. */
  readonly handlerSources: Readonly<Record<string, string>>;
}

/** Those that there are. */
const RUNTIMES: readonly RuntimeRule[] = [
  {
    ...{ pattern: /^nodejs(1[8-9]|[2-9]\d)\.x$/, shown: "nodejs18.x and newer", engine: "script", concurrency: 1 },
    code: handlerCode,
  },
  {
    pattern: /^provided(\.al2(023)?)?$/,
    shown: PROGRAM_RUNTIME,
    engine: "process",
    concurrency: 1,
    code: bootstrapCode,
  },
  {
    ...{ pattern: /^python3\.\d{1,2}$/, shown: "python3.x", engine: "process", concurrency: 1 },
    code: pythonCode,
  },
  { pattern: /^isopod\.script$/, shown: OWN_RUNTIME, engine: "script", code: fetchCode },
];

/** The folder of what is ours among a version's files; a zip cannot have one of this name. */
const OWN_FOLDER = "isopod_lambda";
const OWN_ENVIRONMENT = `${OWN_FOLDER}/environment.js`;
const OWN_ENTRY = `${OWN_FOLDER}/entry.js`;
const BOOTSTRAP = "bootstrap";
const encoder = new TextEncoder();
const EXTENSIONS = [".mjs", ".js", ".cjs", ".mts", ".ts"];

/** @throws {LambdaError} `InvalidParameterValueException` naming the runtimes that there are */
export function findRuntime(runtime: string): RuntimeRule {
  const found = RUNTIMES.find(({ pattern }) => pattern.test(runtime));
  if (found !== undefined) return found;
  const known = RUNTIMES.map(({ shown }) => shown).join(", ");
  return invalid(`Value ${runtime.slice(0, 64)} at 'runtime' is offered by no engine here; there are ${known}.`);
}

/** The version that a zip's files are under a runtime. @throws {LambdaError} `InvalidParameterValueException` */
export function codeOfRuntime(runtime: string, given: GivenCode): RuntimeCode {
  const { engine, code } = findRuntime(runtime);
  const inTheWay = given.files.find(({ path }) => path.split("/")[0] === OWN_FOLDER);
  if (inTheWay !== undefined) invalid(`The folder "${OWN_FOLDER}" of the zip is taken by what adapts handlers.`);
  return { engine, ...code(given, runtime) };
}

/** The files of a version without those that were added here: what a zip had. */
export function withoutOwnFiles<File extends { readonly path: string }>(files: readonly File[]): File[] {
  return files.filter(({ path }) => path.split("/")[0] !== OWN_FOLDER);
}

/** A module whose `handler(event, context)` is called. */
function handlerCode({ name, files, handler, handlerSources }: GivenCode): Omit<RuntimeCode, "engine"> {
  const { path, member } = findHandler(files, handler);
  const entry = [
    `import "./environment.js";`,
    `import adapt from "./runtimes/handler.ts";`,
    `import * as module from ${JSON.stringify(`../${path}`)};`,
    `export default adapt(module, ${JSON.stringify(member)});`,
    "",
  ].join("\n");
  const sources = Object.entries(handlerSources).map(([name, text]) => [`${OWN_FOLDER}/${name}`, text] as const);
  const made = [[OWN_ENTRY, entry] as const, [OWN_ENVIRONMENT, environmentModule(name, handler)] as const];
  const own = [...made, ...sources].map(([path, text]) => ({
    path,
    content: encoder.encode(text),
  }));
  return { files: [...files, ...own], entry: OWN_ENTRY, exportName: "default" };
}

/** Sets the variables of AWS that say who a function is, before its own modules are evaluated; its own are stronger. */
function environmentModule(name: string, handler: string): string {
  const variables = {
    ...{ AWS_REGION: "local", AWS_DEFAULT_REGION: "local", AWS_EXECUTION_ENV: "Isopod", _HANDLER: handler },
    ...{ AWS_LAMBDA_FUNCTION_NAME: name, AWS_LAMBDA_FUNCTION_VERSION: "$LATEST", LAMBDA_TASK_ROOT: "/var/task" },
    ...{ AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`, AWS_LAMBDA_LOG_STREAM_NAME: "[$LATEST]" },
  };
  return `Object.assign(process.env, { ...${JSON.stringify(variables)}, ...process.env });\n`;
}

/** A module of ours: the handler names the export that is the function. */
function fetchCode({ files, handler }: GivenCode): Omit<RuntimeCode, "engine"> {
  const { path, member } = findHandler(files, handler);
  return { files, entry: path, exportName: member };
}

/** An executable that asks for its events by the Runtime API; what the handler means is its own affair. */
function bootstrapCode({ files, handler }: GivenCode): Omit<RuntimeCode, "engine"> {
  if (!files.some(({ path }) => path === BOOTSTRAP)) {
    const deeper = folderOf(files, [BOOTSTRAP]);
    if (deeper !== undefined) {
      invalid(
        `The zip holds no ${BOOTSTRAP} at its top, but there is ${deeper.path}: expected a zip without that folder.`,
      );
    }
    invalid(`The zip holds no ${BOOTSTRAP}: expected an executable of that name at its top.`);
  }
  return { files, entry: BOOTSTRAP, exportName: handler };
}

/** A module of Python whose `function(event, context)` is called, by the machine's own Python. */
function pythonCode({ files, handler }: GivenCode, runtime: string): Omit<RuntimeCode, "engine"> {
  const [, module, name] = /^([\w./-]+)\.([A-Za-z_]\w*)$/.exec(handler) ?? [];
  if (module === undefined || name === undefined) {
    invalid(`Cannot read the handler "${handler.slice(0, 128)}": expected MODULE.FUNCTION, such as app.handler.`);
  }
  const path = module.replaceAll(".", "/");
  const candidates = [`${path}.py`, `${path}/__init__.py`];
  const entry = candidates.find((each) => files.some((file) => file.path === each));
  if (entry === undefined) return missing(files, handler, candidates, `${path}.py`);
  const process = {
    ...programSettings(handler),
    command: [pythonOf(runtime), "/var/runtime/python.py", "runtime-api"],
  };
  return { files, entry, exportName: handler, process };
}

/** `src/index.handler` is the export `handler` of `src/index` with whichever extension. */
function findHandler(files: readonly DeployedFile[], handler: string): { path: string; member: string } {
  const folder = posix.dirname(handler);
  const base = posix.basename(handler);
  const dot = base.indexOf(".");
  const member = base.slice(dot + 1);
  if (dot < 1 || !/^[\w$]+(\.[\w$]+)*$/.test(member)) {
    invalid(`Cannot read the handler "${handler.slice(0, 128)}": expected FILE.EXPORT, such as index.handler.`);
  }
  const module = posix.normalize(posix.join(folder, base.slice(0, dot)));
  const paths = new Set(files.map((file) => file.path));
  const candidates = EXTENSIONS.map((extension) => module + extension);
  const path = candidates.find((each) => paths.has(each));
  if (path === undefined) return missing(files, handler, candidates, `${module}${EXTENSIONS.join(", ")}`);
  return { path, member };
}

/** Says that no file has the handler; and where it would be, when the zip was made of a folder and not of what is in it. */
function missing(
  files: readonly DeployedFile[],
  handler: string,
  candidates: readonly string[],
  expected: string,
): never {
  const what = `The handler "${handler.slice(0, 128)}" is in no file of the zip`;
  const deeper = folderOf(files, candidates);
  if (deeper === undefined) return invalid(`${what}: expected ${expected}.`);
  // A dot in a folder's name would be read as one of the handler's.
  const isPlain = /^[\w-]+$/.test(deeper.folder);
  const named = isPlain ? `the handler ${deeper.folder}/${handler.slice(0, 128)}, or ` : "";
  return invalid(`${what}, but there is ${deeper.path}: expected ${named}a zip without that folder.`);
}

/** The first file that is one of `paths`, one folder deeper, and that folder. */
function folderOf(files: readonly DeployedFile[], paths: readonly string[]) {
  const found = files.find(({ path }) => paths.includes(path.slice(path.indexOf("/") + 1)) && path.includes("/"));
  return found && { path: found.path, folder: found.path.split("/", 1)[0] ?? "" };
}
