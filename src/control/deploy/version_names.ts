/** What people call a version: its whole hash, the beginning of it, or an alias that stands for one version. */
import type { AliasTargets } from "../../core/deployment.ts";
import { IsopodError } from "../../core/errors.ts";
import type { FunctionVersion } from "../../core/function.ts";

/** Digits that a short form must have at least. */
const SHORT_DIGITS_MIN = 4;
const DIGITS = /^(?:sha256-)?([0-9a-f]{1,64})$/;

/** The versions whose hash begins as `text` does; `undefined` when `text` is no beginning of a hash. */
export function matchVersions(text: string, hashes: Iterable<string>): string[] | undefined {
  const digits = DIGITS.exec(text)?.[1];
  if (digits === undefined || digits.length < SHORT_DIGITS_MIN) return undefined;
  const beginning = `sha256-${digits}`;
  const found: string[] = [];
  for (const hash of hashes) if (hash.startsWith(beginning)) found.push(hash);
  return found;
}

/**
 * The one hash among `hashes` that `text` names.
 * @throws {IsopodError} `version_unknown`, `version_ambiguous`
 */
export function resolveVersion(text: string, fn: string, hashes: Iterable<string>): string {
  const found = matchVersions(text, hashes);
  const [only] = found ?? [];
  if (found?.length === 1 && only !== undefined) return only;
  const named = text.slice(0, 80);
  const digits = DIGITS.exec(text)?.[1];
  if (digits !== undefined && digits.length < SHORT_DIGITS_MIN) {
    const message = `Cannot tell which version of function "${fn}" is "${named}": expected ${SHORT_DIGITS_MIN} digits at least.`;
    throw new IsopodError("version_unknown", { message });
  }
  if (found === undefined || only === undefined) {
    throw new IsopodError("version_unknown", { message: `Function "${fn}" has no version "${named}".` });
  }
  const some = found.slice(0, 5).map((hash) => hash.slice(0, "sha256-".length + 16));
  throw new IsopodError("version_ambiguous", {
    message: `"${named}" is the beginning of ${found.length} versions of function "${fn}": ${some.join(", ")}.`,
  });
}

/** @throws {IsopodError} `version_unknown`, `version_ambiguous` */
export function findVersion(
  text: string,
  fn: {
    readonly name: string;
    readonly aliases: ReadonlyMap<string, AliasTargets>;
    readonly versions: ReadonlyMap<string, FunctionVersion>;
  },
): FunctionVersion {
  const alias = fn.aliases.get(text);
  const [only, ...others] = alias?.targets ?? [];
  if (only !== undefined && others.length === 0) return only.version;
  if (only !== undefined) {
    const message = `Alias "${text}" of function "${fn.name}" stands for several versions; name one of them.`;
    throw new IsopodError("version_ambiguous", { message });
  }
  const hash = fn.versions.get(text)?.version ?? resolveVersion(text, fn.name, fn.versions.keys());
  return fn.versions.get(hash) as FunctionVersion;
}
