/** The guest of the `browser` engine as it is shipped. */
import { startBrowserGuest } from "./engines/browser/guest/main.ts";

startBrowserGuest();
