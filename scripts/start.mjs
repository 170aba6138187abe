/** `npm start`: sets up what is missing, then serves the examples. */
import { join } from "node:path";
import { ROOT, runIsopod } from "./find_bun.mjs";
import { setUp } from "./setup.mjs";

setUp();
runIsopod(["serve", "--config", join(ROOT, "examples", "isopod.toml"), "--welcome", ...process.argv.slice(2)]);
