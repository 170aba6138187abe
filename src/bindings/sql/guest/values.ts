/**
 * Values of a program as they are sent to its database, and back: what JSON does not have is an object with one key, as in
 * `database/values.ts`.
 */

/** A value as a program has it. */
export type Value = null | boolean | number | bigint | string | Uint8Array | readonly Value[];
/** A row as a list. */
export type Row = Value[];
/** A value as it is sent. */
export type Sent = null | number | string | { b: string } | { i: string } | { f: string };

/** A value that is bound. @throws {TypeError} for what is no value of SQLite */
export function bound(value: unknown): Sent {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      if (Number.isFinite(value)) return value;
      return Number.isNaN(value) ? null : { f: String(value) };
    case "boolean":
      return value ? 1 : 0;
    case "bigint":
      return { i: String(value) };
    default:
      return value === null ? null : boundBytes(value);
  }
}

function boundBytes(value: unknown): Sent {
  if (value instanceof ArrayBuffer) return { b: new Uint8Array(value).toBase64() };
  if (ArrayBuffer.isView(value)) {
    return { b: new Uint8Array(value.buffer, value.byteOffset, value.byteLength).toBase64() };
  }
  const kind = value === undefined ? "undefined" : Object.prototype.toString.call(value).slice(8, -1);
  throw new TypeError(`Cannot bind ${kind}: expected null, a text, a number, a bigint, a boolean or bytes`);
}

/** The values of a row, or of a list in it. */
export function readRow(row: readonly unknown[], bigint: boolean): Row {
  return row.map((value) => (typeof value === "object" && value !== null ? special(value, bigint) : (value as Value)));
}

function special(value: object, bigint: boolean): Value {
  if (Array.isArray(value)) return readRow(value, bigint);
  const { b, i, f } = value as { readonly b?: string; readonly i?: string; readonly f?: string };
  if (b !== undefined) return Uint8Array.fromBase64(b);
  if (i !== undefined) return bigint ? BigInt(i) : i;
  return Number(f);
}

/** A row as an object; of two columns of one name the last. */
export function rowObject(columns: readonly string[], row: Row): Record<string, Value> {
  const object: Record<string, Value> = {};
  for (let at = 0; at < columns.length; at++) object[columns[at] as string] = row[at] as Value;
  return object;
}
