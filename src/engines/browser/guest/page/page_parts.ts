/** What pages are put together from, beside their own script. Types only. */
import type { GuestBinding, GuestGlobal } from "../../../../core/guest.ts";

/** What a page is made of, beside itself. */
export interface PageParts {
  readonly globals: readonly GuestGlobal[];
  readonly bindings: readonly GuestBinding[];
}
