/** The guest of the `process` engine as it is shipped. */
import { startProcessGuest } from "./engines/process/guest/main.ts";

startProcessGuest();
