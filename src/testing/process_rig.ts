/** A server with functions of the `process` engine that are programs in Python, and what such programs share. */
import { startTestServer, type TestServer } from "./server.ts";

/** The client of the Runtime API that programs import as `rt`: as short as a bootstrap can be. */
export const RT = `
import http.client, json, os, socket, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, headers={}, at=None):
    c = at or api
    c.request(method, path, body, headers)
    r = c.getresponse()
    return r.status, r.headers, r.read()
def fresh():
    return http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
RUNTIME = "/2018-06-01/runtime/"
def next():
    s, h, b = call("GET", RUNTIME + "invocation/next")
    return h["Lambda-Runtime-Aws-Request-Id"], json.loads(b), h
def answer(id, value):
    return call("POST", RUNTIME + "invocation/" + id + "/response", json.dumps(value))
def raw(text):
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    s = socket.create_connection((host, int(port)))
    s.sendall(text if isinstance(text, bytes) else text.encode())
    return s
def serve(handler):
    while True:
        id, event, h = next()
        answer(id, handler(event))
`;

/** A function: the text of its program, and further lines of its table. */
export interface RigFunction {
  readonly code: string;
  readonly config?: string;
  /** Further files of its folder. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
}

/** Starts a server whose functions answer below \`/NAME\`. */
export function startProcesses(
  functions: Readonly<Record<string, RigFunction | string>>,
  more: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  const files: Record<string, string | Uint8Array> = { ...more };
  const tables: string[] = [];
  for (const [name, given] of Object.entries(functions)) {
    const { code, config = "", files: own = {} } = typeof given === "string" ? { code: given } : given;
    files[`${name}/main.py`] = code;
    files[`${name}/rt.py`] = RT;
    for (const [path, text] of Object.entries(own)) files[`${name}/${path}`] = text;
    const command = /^(command|runtime) =/m.test(config) ? "" : 'command = "python3 -u main.py"\n';
    const base = `[[functions]]\nname = "${name}"\npath = "${name}"\n${command}`;
    tables.push(`${base}routes = ["ANY /${name}", "ANY /${name}/*"]\n${config}\n`);
  }
  return startTestServer({ config: tables.join(""), files });
}

/** What a failed call says. */
export async function errorOf(answer: Response): Promise<{ code: string; message: string }> {
  const { error } = (await answer.json()) as { error: { code: string; message: string } };
  return error;
}
