/** Projects as accounts of AWS, in names of AWS's form. */
import { createHash } from "node:crypto";

/** The number of a project: twelve digits that follow from its name. */
export function accountIdOf(project: string): string {
  const digest = createHash("sha256").update(`project/${project}`).digest();
  return String(digest.readUIntBE(0, 6) % 1e12).padStart(12, "0");
}
