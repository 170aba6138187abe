/**
 * Which Chromium functions of the `browser` engine run in: the first that there is, of a list whose order is by what one
 * costs. The headless shell takes a quarter of the memory a function, and starts 4 to 6 times faster, than the full browser.
 */
import { realpathSync } from "node:fs";

/** In the order in which they are looked for; a name without a path is looked for along the PATH. */
const CHROMIUMS = [
  "/usr/lib/chromium/chromium-headless-shell",
  "chromium-headless-shell",
  "chrome-headless-shell",
  "/opt/google/chrome/chrome",
  "google-chrome-stable",
  "google-chrome",
  // The binary: the wrapper on the PATH adds arguments of its own.
  "/usr/lib/chromium/chromium",
];

/** The npm package with a binary inside, which somebody may have installed beside Isopod. */
const NPM_PACKAGE = "@sparticuz/chromium";

/** The path of the program; undefined when there is none. `named` is what ISOPOD_CHROMIUM says, and then nothing else counts. */
export function findChromium(named: string | undefined): string | undefined {
  const candidates = named === undefined || named === "" ? CHROMIUMS : [named];
  return candidates.map((name) => Bun.which(name)).find((found) => found !== null) ?? undefined;
}

/** Where the npm package is; undefined when it is not installed. */
export function findChromiumPackage(): string | undefined {
  try {
    return Bun.resolveSync(NPM_PACKAGE, import.meta.dir);
  } catch {
    return undefined;
  }
}

/** The program itself, behind links, ready to be run; the package's is unpacked. @throws {Error} that names what to install */
export async function requireChromium(named: string | undefined): Promise<string> {
  const found = findChromium(named);
  if (found !== undefined) return realpathSync(found);
  if (named) throw new Error(`Cannot run functions in a browser: ISOPOD_CHROMIUM is ${named}, which is no program`);
  const entry = findChromiumPackage();
  if (entry !== undefined) {
    // Never its default arguments: they switch the browser's own sandbox off.
    const { default: chromium } = (await import(entry)) as { default: { executablePath(): Promise<string> } };
    return realpathSync(await chromium.executablePath());
  }
  throw new Error(
    "Cannot run functions in a browser: no Chromium was found: `apt install chromium-headless-shell`, " +
      `or \`npm install ${NPM_PACKAGE}\`, or set ISOPOD_CHROMIUM to a program`,
  );
}
