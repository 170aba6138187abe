/** The dialler of the server, for tests of what dials. */
import { createDialler } from "../bindings/egress/dialler.ts";
import { systemClock } from "../core/clock.ts";
import type { Dialler } from "../core/dialler.ts";

/** Dials hosts and ports that are allowed, as egress does. */
export function openRealDialler(): Dialler {
  return createDialler({ clock: systemClock });
}
