/** A server with middlewares that are programs in Python or modules, around functions of every engine. */
import { logsOf } from "./log_client.ts";
import { startTestServer, type TestServer } from "./server.ts";
import { handleModule } from "./wasm_rig.ts";
import { compileWat } from "./wat.ts";

/** Reads what it is given as `value`, runs `code` with `hook` at hand, and writes `value`. */
export function plain(code: string): string {
  return `#!/usr/bin/env -S python3 -I
import json, os, signal, sys, time
hook = sys.argv[1]
value = json.load(sys.stdin)
${code}
print(json.dumps(value))
`;
}

/** Answers lines one after the other: runs `code` with `q`, `hook` and `value` at hand, and answers with `value`. */
export function persistent(code: string): string {
  return `#!/usr/bin/env -S python3 -I
import json, os, signal, sys, time
def say(answer):
    sys.stdout.write((answer if isinstance(answer, str) else json.dumps(answer)) + "\\n")
    sys.stdout.flush()
for line in sys.stdin:
    q = json.loads(line)
    hook = q["hook"]
    value = q["event"] if hook == "before" else q["response"]
${code
  .split("\n")
  .map((line) => `    ${line}`)
  .join("\n")}
    say({"id": q["id"], "ok": value})
`;
}

/** The manifest of a persistent one. */
export const PERSISTENT = '{"protocol":"ndjson/1"}';

/** Leaves its name in a header on both sides, so that an order can be seen. */
export function marking(name: string): string {
  return plain(`value["headers"]["x-order"] = value["headers"].get("x-order", "") + "${name}"`);
}

/** What functions of each engine are made of; each answers with the header `x-order` that it was given. */
export async function functionFiles(): Promise<Record<string, string | Uint8Array>> {
  return {
    "script.ts": 'export default (request: Request) => new Response(request.headers.get("x-order"));',
    "module.wasm": await compileWat(ECHO_HEADER, "module.wat"),
    "runtime/bootstrap": `#!/usr/bin/env python3
import http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    r = api.getresponse()
    id, event = r.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(r.read())
    answer = {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": event["headers"].get("x-order")}
    api.request("POST", "/2018-06-01/runtime/invocation/" + id + "/response", json.dumps(answer))
    api.getresponse().read()
`,
    "stdio/main.py": `import json, sys
for line in sys.stdin:
    event = json.loads(line)
    print(json.dumps({"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": event["headers"].get("x-order")}), flush=True)
`,
    "http/main.py": `import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = (self.headers.get("x-order") or "").encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`,
  };
}

/** What stands in the tables of those functions, by their names. */
export const FUNCTION_TABLES = {
  script: 'path = "script.ts"',
  wasm: 'path = "module.wasm"',
  runtime: 'path = "runtime"',
  stdio: 'path = "stdio"\ndialect = "stdio"\ncommand = "python3 main.py"',
  http: 'path = "http"\ndialect = "http"\ncommand = "python3 main.py"',
} as const;

/** The tables of functions that answer below `/NAME`. */
export function tables(functions: Readonly<Record<string, string>>): string {
  return Object.entries(functions)
    .map(([name, toml]) => `[[functions]]\nname = "${name}"\nroutes = ["ANY /${name}", "ANY /${name}/*"]\n${toml}\n`)
    .join("");
}

/** The lines that were logged for a request, when all of it is over. */
export async function linesOf(server: TestServer, answer: Response): Promise<string[]> {
  const items = await logsOf(server, answer);
  return items.flatMap((item) => (item.kind === "line" ? [item.text] : []));
}

/** Starts a server with the middlewares in `middlewares`, by their file names. */
export async function startMiddlewares(
  middlewares: Readonly<Record<string, string>>,
  config: string,
  files: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<TestServer> {
  const placed = Object.entries(middlewares).map(([name, text]) => [`middlewares/${name}`, text] as const);
  return startTestServer({ config, files: { ...files, ...Object.fromEntries(placed) } });
}

/** A module that answers with what the header `x-order` holds. */
const ECHO_HEADER = handleModule(
  `(local $size i64)
   (local.set $size (call $request_header (i32.const 0) (i64.const 7) (i32.const 1008) (i64.const 64)))
   (call $body (i32.const 1008) (local.get $size))`,
  { data: "x-order" },
);
