/**
 * `isopod invoke NAME`: calls a function on the data plane and prints its answer.
 *
 * It is called at the address of a version, which the API tells: there no route of another function can come between,
 * and a function without routes answers as well.
 */
import { Command, Option } from "commander";
import { CommandFailure, EXIT, usageError } from "./exit_codes.ts";
import { watchLauncher } from "./lifeline.ts";
import { collect } from "./limit_options.ts";
import { adminClient, exitCodeOf } from "./reaching/admin_client.ts";
import { addSharedOptions, printJson, type SharedOptions } from "./reaching/command_options.ts";
import { type Callable, readCallable } from "./reaching/exact_version.ts";
import { send, serverUrl } from "./reaching/server_client.ts";
import { messageOf, paintFor, printable, writeOut } from "./terminal/terminal.ts";

interface InvokeOptions extends Omit<SharedOptions, "data"> {
  /** The body; the directory of a local server's data is that of the environment. */
  readonly data?: string;
  readonly method?: string;
  readonly path?: string;
  readonly header: readonly string[];
  readonly version: string;
  readonly at?: string;
  readonly key?: string;
  readonly include?: boolean;
}

type CallBody = string | Blob | ReadableStream<Uint8Array>;

/** A request, before it is sent. */
interface Call {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: CallBody | undefined;
}

const HELP = `
The answer's body goes to stdout as it comes. Ends with 0 for a status below 400; with 4 for 401 and 403, 5 for 404, 6 for
409 and 412, and 1 for every other.

Examples:
  isopod invoke hello
  isopod invoke hello --path '/hello/Ada?loud=1' -i
  isopod invoke hello --data '{"n": 20}' -H 'content-type: application/json'
  isopod invoke hello --data @order.json --version 3f2a9c     before an alias stands for it
  cat photo.jpg | isopod invoke resize --data - > small.jpg
`;

/** The command. */
export function invokeCommand(): Command {
  const command = new Command("invoke")
    .description("Call a function, and print its answer.")
    .argument("<function>", "its name")
    .option("-X, --method <method>", "the method (default: POST with a body, else GET, or what its first route takes)")
    .option("--path <path>", "path and query (default: that of its first plain route, else /)")
    .option("-d, --data <body>", "the body: a text, @FILE, or - for standard input")
    .addOption(
      new Option("-H, --header <header>", "'name: value'; may be repeated").argParser(collect).default([], "none"),
    )
    .option("--version <version>", "the version, by the beginning of its hash, or an alias", "production")
    .option("-i, --include", "print status and headers before the body")
    .addOption(
      new Option("--at <url>", "the data plane, where it is not on the admin API's host").env("ISOPOD_RUN_URL"),
    )
    .addOption(new Option("--key <key>", "the API key for the data plane").env("ISOPOD_KEY"));
  return addSharedOptions(command, "{status, headers, body or bodyBase64, version}", { ownData: true })
    .addHelpText("after", HELP)
    .action(invoke);
}

async function invoke(name: string, options: InvokeOptions): Promise<void> {
  watchLauncher(() => process.exit(137));
  const { data: _, ...target } = options;
  const client = adminClient(target);
  const callable = await readCallable(client, name, options.version);
  const { version } = callable;
  const call = await callOf(callable, client.target.url, options);
  const { url, ...init } = call;
  const response = await send(url, {
    ...init,
    ...(call.body !== undefined && { body: call.body }),
    redirect: "manual",
  }).catch((cause: unknown) => {
    throw new CommandFailure(messageOf(cause), {
      exitCode: EXIT.unreachable,
      hint: `the data plane of ${client.target.url.origin} is meant; --at names where it is reached`,
      cause,
    });
  });
  if (options.json) await printAnswer(response, version);
  else await showAnswer(response, options);
  if (response.status >= 400) process.exitCode = exitCodeOf(response.status);
}

/** The request: sent to the data plane's address, for the host that the API names. */
async function callOf(
  { routes, preview }: Callable,
  admin: URL,
  { method, path, data, header, at, key }: InvokeOptions,
): Promise<Call> {
  const host = new URL(preview);
  const plain = plainRoute(routes);
  const wanted = path ?? plain?.path ?? "/";
  if (!wanted.startsWith("/")) throw usageError(`Cannot call the path "${wanted}": expected one that begins with "/"`);
  const base =
    at === undefined ? new URL(`${host.protocol}//${admin.hostname}:${host.port || 80}`) : serverUrl(at, "/");
  const headers = new Headers({ host: host.host });
  if (key !== undefined) headers.set("authorization", `Bearer ${key}`);
  for (const each of header) addHeader(headers, each);
  return {
    url: new URL(`${base.origin}${wanted}`),
    method:
      method?.toUpperCase() ??
      (data === undefined ? (path === undefined ? plain?.method : undefined) : "POST") ??
      "GET",
    headers,
    body: data === undefined ? undefined : await bodyOf(data),
  };
}

/** The first route that names one path, whatever its host is. */
function plainRoute(
  routes: readonly string[],
): { readonly method: string | undefined; readonly path: string } | undefined {
  for (const route of routes) {
    const [, method, path] = /^(\S+) [^/\s]*(\/\S*)$/.exec(route) ?? [];
    const isPlain = path !== undefined && !path.includes("/:") && !path.slice(0, -1).includes("*");
    if (isPlain) return { method: method === "ANY" ? undefined : method, path: path.replace(/\*$/, "") };
  }
  return undefined;
}

function addHeader(headers: Headers, text: string): void {
  const [, name, value] = /^([^:\s]+):\s*(.*)$/s.exec(text) ?? [];
  try {
    if (name === undefined || value === undefined) throw new Error("there is no colon");
    headers.append(name, value);
  } catch (cause) {
    throw usageError(`Cannot read --header "${text.split(":")[0]}": expected "name: value" (${messageOf(cause)})`);
  }
}

/** What is sent: files and standard input as they are read, so that they may be of any size. */
async function bodyOf(text: string): Promise<CallBody> {
  if (text === "-") return Bun.stdin.stream();
  if (!text.startsWith("@")) return text;
  const file = Bun.file(text.slice(1));
  if (await file.exists()) return file;
  throw usageError(`Cannot read the body from ${text.slice(1)}: there is no such file`);
}

async function showAnswer(response: Response, { include }: InvokeOptions): Promise<void> {
  if (include) {
    const paint = paintFor(process.stdout);
    const lines = [...response.headers].map(([name, value]) => `${paint("grey", `${name}:`)} ${printable(value)}`);
    await writeOut(`${[paint("bold", `HTTP/1.1 ${response.status} ${response.statusText}`), ...lines].join("\n")}\n\n`);
  }
  try {
    for await (const chunk of response.body ?? []) await writeOut(chunk);
  } catch (cause) {
    throw new CommandFailure(`Cannot read the answer to its end: it was cut off (${messageOf(cause)})`, {
      hint: `isopod logs --request ${response.headers.get("isopod-request-id")} says why`,
      cause,
    });
  }
}

async function printAnswer(response: Response, version: string): Promise<void> {
  const bytes = await response.bytes();
  const { status, headers } = response;
  let body: object;
  try {
    body = { body: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    body = { bodyBase64: bytes.toBase64() };
  }
  printJson({ status, headers: [...headers], ...body, version });
}
