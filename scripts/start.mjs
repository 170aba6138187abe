/** `npm start`: sets up what is missing, then serves the examples. */
import { join } from "node:path";
import { ROOT, runIsopod } from "./find_bun.mjs";
import { setUp } from "./setup.mjs";

const given = process.argv.slice(2);
const ownConfig = given.some((word) => word === "--config" || word.startsWith("--config="));

setUp();
// The commands that are worth trying are of the examples.
const examples = ownConfig ? [] : ["--config", join(ROOT, "examples", "isopod.toml"), "--welcome"];
runIsopod(["serve", ...examples, ...given]);
