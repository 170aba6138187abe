/** The programs of ours that run inside sandboxes, each as one text. */
import { bundleGuest } from "./guest_code.macro.ts" with { type: "macro" };

/** The guest of the `script` engine. */
export const GUEST_CODE: string = bundleGuest("standard_guest.ts");
