/** Sets up what is missing, then runs the repository's own Bun: `node scripts/bun.mjs build --compile ...`. */
import { runBun } from "./find_bun.mjs";
import { setUp } from "./setup.mjs";

setUp();
runBun(process.argv.slice(2));
