/** How values look on the console: as Bun shows them. */
import type { Inspector } from "../../guest/console.ts";

/** Bun's. */
export const INSPECTOR: Inspector = {
  inspect: (value) => Bun.inspect(value, { colors: false }),
  table: (value) => Bun.inspect.table(value),
};
