/** What `isopod init` writes: the files of each template, by their names. */

/** The names of templates. */
export type TemplateName = keyof typeof TEMPLATES;

/** The templates: each gives its files for the name of the function. */
export const TEMPLATES = {
  script: (name: string) => ({
    "isopod.toml": configOf(name, `["GET /${name}", "GET /${name}/:name"]`),
    [`${name}.ts`]: `/// <reference path="./isopod-env.d.ts" />
/** Greets whoever the path names. */
export default {
  fetch(request: Request, env: IsopodEnv[${JSON.stringify(name)}], ctx: { params: { name?: string } }) {
    const name = ctx.params.name ?? "world";
    console.log("greeting", name);
    return Response.json({ message: \`\${env.GREETING}, \${name}!\` });
  },
};
`,
    [`${name}.test.ts`]: `// bun test, or any runner that reads TypeScript: a function is a function.
import { expect, test } from "bun:test";
import greet from "./${name}.ts";

test("greets by name", async () => {
  const answer = greet.fetch(new Request("http://localhost/"), { GREETING: "Hello" }, { params: { name: "Ada" } });
  expect(await answer.json()).toEqual({ message: "Hello, Ada!" });
});
`,
    ...restOf(name),
  }),
  router: (name: string) => ({
    "isopod.toml": configOf(name, `["ANY /${name}/*"]`),
    [`${name}.ts`]: `/// <reference path="./isopod-env.d.ts" />
/** Several paths in one function. Hono, itty-router and the SDK's Application run here as well. */
export default {
  async fetch(request: Request, env: IsopodEnv[${JSON.stringify(name)}]) {
    const path = new URL(request.url).pathname.slice("/${name}".length);
    if (request.method === "POST" && path === "/words") {
      const words = (await request.text()).split(/\\s+/).filter(Boolean);
      return Response.json({ words: words.length });
    }
    if (request.method === "GET" && path.length > 1) {
      return Response.json({ message: \`\${env.GREETING}, \${path.slice(1)}!\` });
    }
    return Response.json({ message: "Not found" }, { status: 404 });
  },
};
`,
    ...restOf(name),
  }),
  python: (name: string) => ({
    "isopod.toml": configOf(
      name,
      `["GET /${name}", "GET /${name}/:name"]`,
      `path = "./${name}"\nruntime = "python"\nhandler = "app.handle"`,
    ),
    [`${name}/app.py`]: `"""Greets whoever the path names. Layers and packages: docs/processes.md of Isopod."""
import os


def handle(event, context):
    name = event.get("pathParameters", {}).get("name", "world")
    print("greeting", name)
    return {"message": f"{os.environ['GREETING']}, {name}!"}
`,
    ".gitignore": IGNORED,
  }),
  program: (name: string) => ({
    "isopod.toml": configOf(
      name,
      `["GET /${name}", "GET /${name}/:name"]`,
      `path = "./${name}"\ncommand = "./greet"\ndialect = "stdio"`,
    ),
    // Any executable will do, in whatever language: this one needs nothing but a shell.
    [`${name}/greet`]: `#!/bin/sh
# An event a line on standard input, an answer a line on standard output; standard error is the log.
while read -r event; do
  name=$(printf '%s' "$event" | sed -n 's/.*"pathParameters":{"name":"\\([A-Za-z0-9 ]*\\)".*/\\1/p')
  echo "greeting \${name:-world}" >&2
  printf '{"message":"%s, %s!"}\\n' "$GREETING" "\${name:-world}"
done
`,
    ".gitignore": IGNORED,
  }),
};

const IGNORED = "node_modules/\n.isopod/\n.env\n";

function configOf(name: string, routes: string, program = `path = "./${name}.ts"`): string {
  return `# Every key is explained in docs/configuration.md of Isopod.

[[functions]]
name = ${JSON.stringify(name)}
${program}
routes = ${routes}
env = { GREETING = "Hello" }
limits = { wall_ms = 5000, memory_mb = 128 }
`;
}

function restOf(name: string): Record<string, string> {
  return {
    "isopod-env.d.ts": `// Written by \`isopod types\` from isopod.toml: what each function finds as its \`env\`. Changes here are overwritten.
interface IsopodEnv {
  readonly ${/^[a-z]\w*$/.test(name) ? name : JSON.stringify(name)}: {
    /** A variable. */
    readonly GREETING: string;
  };
}
`,
    ".gitignore": IGNORED,
  };
}

/** Whether a file of a template is a program, which must be executable. */
export function isProgram(text: string): boolean {
  return text.startsWith("#!");
}
