/**
 * The names of contents: `sha256-<hex>`, and what else people write for one.
 *
 * Web pages know integrity as base64 (`sha256-RFWP…=`), pins and URLs here are hex; both mean the same, and inside
 * only the hex form is used.
 */
import { IsopodError } from "../../core/errors.ts";

const HEX = /^[0-9a-f]{64}$/i;
const BASE64 = /^[A-Za-z0-9+/_-]{43}=?$/;

/** Whether `text` has the form that `hashOf` gives. */
export function isHash(text: string): boolean {
  return /^sha256-[0-9a-f]{64}$/.test(text);
}

/**
 * `text`, in hex or base64, in the form that `hashOf` gives.
 * @throws {IsopodError} `bad_request` when it is neither.
 */
export function parseIntegrity(text: string): string {
  const value = text.trim();
  const digest = value.slice("sha256-".length);
  if (value.startsWith("sha256-")) {
    if (HEX.test(digest)) return `sha256-${digest.toLowerCase()}`;
    if (BASE64.test(digest)) {
      const bytes = Buffer.from(digest, "base64url");
      if (bytes.length === 32) return `sha256-${bytes.toString("hex")}`;
    }
  }
  throw new IsopodError("bad_request", {
    message: `Cannot read integrity "${value.slice(0, 100)}": expected sha256- and 64 hex digits, or a SHA-256 in base64.`,
  });
}

/**
 * Compares the hash of what was received with the one that was asked for; both as `hashOf` gives them.
 * @throws {IsopodError} `integrity_mismatch`
 */
export function checkIntegrity(received: string, expected: string | undefined, what: string): void {
  if (expected === undefined || received === expected) return;
  throw new IsopodError("integrity_mismatch", {
    message: `Cannot run ${what}: its hash is ${received}, and ${expected} was asked for.`,
  });
}
