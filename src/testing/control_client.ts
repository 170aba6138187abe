/** The admin API as tests use it: short ways to deploy and to move, and answers with their status. */
import type { TestServer } from "./server.ts";

/** An answer of the API. */
export interface ApiAnswer {
  readonly status: number;
  readonly etag: string;
  // The API's answers are checked against its document elsewhere; here each test knows what it asked for.
  readonly body: ApiBody;
}

/** The members of answers that tests look at. */
export interface ApiBody {
  readonly version: string;
  readonly short: string;
  readonly unchanged: boolean;
  readonly preview: string;
  readonly key: string;
  readonly id: string;
  readonly prefix: string;
  readonly hash: string;
  readonly next?: string;
  readonly revision: number;
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly aliases: Readonly<Record<string, { readonly targets: readonly { version: string; weight: number }[] }>>;
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly line?: number;
    readonly column?: number;
    readonly limit?: { readonly name: string; readonly value: number };
  };
}

type Asked = Pick<TestServer, "admin">;

/** Asks the API. */
export async function ask(
  server: Asked,
  method: string,
  path: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<ApiAnswer> {
  const answer = await server.admin(path, {
    method,
    headers,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    etag: answer.headers.get("etag") ?? "",
    body: (text === "" ? {} : JSON.parse(text)) as ApiBody,
  };
}

/** The headers of a key. */
export function withKey(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

/** The path of a function in the API. */
export function functionPath(name: string, rest = "", project = "default"): string {
  return `/v1/projects/${project}/functions/${name}${rest}`;
}

/** What a deploy of one file says beside it. */
export interface DeployOptions {
  readonly routes?: readonly unknown[];
  readonly project?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly alias?: string;
  readonly settings?: unknown;
  readonly path?: string;
}

/** Deploys one file. */
export function deploy(server: Asked, name: string, code: string, options: DeployOptions = {}): Promise<ApiAnswer> {
  const { routes, project, headers, alias, settings, path = "main.ts" } = options;
  const body = { files: [{ path, content: code }], routes, alias, settings };
  return ask(server, "POST", functionPath(name, "/deploy", project), body, headers);
}

/** A function that answers with a text. */
export function saying(text: string): string {
  return `export default () => new Response(${JSON.stringify(text)});`;
}
