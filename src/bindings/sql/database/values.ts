/**
 * Values on their way: JSON has null, texts and numbers; what it does not have is an object with one key. `b`: a blob in
 * base64; `i`: an integer beyond 2^53 in decimal; `f`: a number that is not finite.
 */

/** A value as SQLite takes and gives it. */
export type SqlValue = null | number | bigint | string | Uint8Array;

/** A value as a message holds it. */
export type SentValue = null | number | string | boolean | { b: string } | { i: string } | { f: string };

const INTEGER_MIN = -(2n ** 63n);
const INTEGER_MAX = 2n ** 63n - 1n;

/** The value that was sent; whole numbers become integers. @throws {TypeError} for what is no value */
export function readValue(sent: unknown): SqlValue {
  switch (typeof sent) {
    case "number":
      return Number.isSafeInteger(sent) && !Object.is(sent, -0) ? BigInt(sent) : sent;
    case "string":
      return sent;
    case "boolean":
      return sent ? 1n : 0n;
    default:
      return sent === null ? null : specialValue(sent);
  }
}

function specialValue(sent: unknown): SqlValue {
  const { b, i, f } = sent as Readonly<Record<string, unknown>>;
  if (typeof b === "string") return Uint8Array.fromBase64(b);
  if (f === "Infinity" || f === "-Infinity") return Number(f);
  if (typeof i === "string" && /^-?\d{1,19}$/.test(i)) {
    const integer = BigInt(i);
    if (integer >= INTEGER_MIN && integer <= INTEGER_MAX) return integer;
  }
  throw new TypeError("expected null, a number, a text, a blob or an integer of 64 bits");
}

/** A value of a result, as JSON. */
export function writeValue(value: SqlValue): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "bigint": {
      const number = Number(value);
      return Number.isSafeInteger(number) ? String(number) : `{"i":"${value}"}`;
    }
    case "number":
      return Number.isFinite(value) ? String(value) : `{"f":"${value}"}`;
    default:
      return value === null ? "null" : `{"b":"${value.toBase64()}"}`;
  }
}
