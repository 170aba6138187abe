/** A server with functions of the `browser` engine, and what their tests skip by where no Chromium can be had. */
import { findChromium, findChromiumPackage } from "../sandbox/chromium.ts";
import { startTestServer, type TestServer } from "./server.ts";

const found = findChromium(process.env["ISOPOD_CHROMIUM"]) ?? findChromiumPackage();

/** Whether tests must be skipped; said once. */
export const noChromium = found === undefined;
if (noChromium)
  console.log(
    "Skipped: no Chromium is installed (package chromium-headless-shell), which `npm test` installs where it may",
  );

/** A function: the text of its module, and further lines of its table. */
export interface RigPage {
  readonly code: string;
  readonly config?: string;
  /** Further files of its folder. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Starts a server whose functions answer below `/NAME`. */
export function startPages(
  functions: Readonly<Record<string, RigPage | string>>,
  more = "",
  port?: number,
): Promise<TestServer> {
  const files: Record<string, string> = {};
  const tables: string[] = [];
  for (const [name, given] of Object.entries(functions)) {
    const { code, config = "", files: own = {} } = typeof given === "string" ? { code: given } : given;
    files[`${name}/index.ts`] = code;
    for (const [path, text] of Object.entries(own)) files[`${name}/${path}`] = text;
    const base = `[[functions]]\nname = "${name}"\nengine = "browser"\npath = "${name}"\n`;
    tables.push(`${base}routes = ["ANY /${name}", "ANY /${name}/*"]\n${config}\n`);
  }
  const listen = port === undefined ? {} : { listen: `127.0.0.1:${port}` };
  return startTestServer({ config: more + tables.join(""), files, ...listen });
}
