/**
 * `npm run compile`: one executable that holds server, command line and guests; `--outfile=PATH` says where, else
 * `dist/isopod`. It reads neither `.env` nor `bunfig.toml` of the folder that it is started in.
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import {
  browserGuestCode,
  browserPageCode,
  componentCode,
  databaseCode,
  GUEST_CODE,
  processGuestCode,
  transpilerCode,
} from "../src/guest_code.ts";

const ROOT = join(import.meta.dir, "..");
const { values } = parseArgs({ options: { outfile: { type: "string", default: join(ROOT, "dist", "isopod") } } });
const outfile = resolve(process.env.INIT_CWD ?? ROOT, values.outfile);
const { success, logs } = await Bun.build({
  entrypoints: [join(ROOT, "src", "cli", "main.ts")],
  define: {
    ISOPOD_GUEST_CODE: JSON.stringify(GUEST_CODE),
    ISOPOD_PROCESS_GUEST_CODE: JSON.stringify(processGuestCode()),
    ISOPOD_BROWSER_GUEST_CODE: JSON.stringify(browserGuestCode()),
    ISOPOD_BROWSER_PAGE_CODE: JSON.stringify(browserPageCode()),
    ISOPOD_DATABASE_CODE: JSON.stringify(databaseCode()),
    ISOPOD_COMPONENT_CODE: JSON.stringify(componentCode()),
    ISOPOD_TRANSPILER_CODE: JSON.stringify(transpilerCode()),
  },
  compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
});
for (const log of logs) console.error(String(log));
if (!success) process.exit(1);
console.log(outfile);
