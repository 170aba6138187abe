/** Values between PostgreSQL, which is asked for texts, and what a program is told, as `database/values.ts` has them. */
import type { SqlValue } from "../database/values.ts";
import { type ReadList, readArray } from "./arrays.ts";

/** The numbers of types that are more than a text to a program: those of PostgreSQL's `pg_type.dat`. */
const TYPE = {
  ...{ bool: 16, bytea: 17, int8: 20, int2: 21, int4: 23, oid: 26, float4: 700, float8: 701 },
  ...{ timestamp: 1114, timestamptz: 1184 },
} as const;

/** Types of arrays, by the types of what is in them. */
const ELEMENT_OF: ReadonlyMap<number, number> = new Map([
  [1000, TYPE.bool],
  [1001, TYPE.bytea],
  [1016, TYPE.int8],
  [1005, TYPE.int2],
  [1007, TYPE.int4],
  [1028, TYPE.oid],
  [1021, TYPE.float4],
  [1022, TYPE.float8],
  [1115, TYPE.timestamp],
  [1185, TYPE.timestamptz],
  // Texts: "char", char, name, text, varchar, numeric, uuid, date, time, timetz, interval, inet, cidr, json, jsonb.
  ...[1002, 1014, 1003, 1009, 1015, 1231, 2951, 1182, 1183, 1270, 1187, 1041, 651, 199, 3807].map(
    (type) => [type, 25] as const,
  ),
]);

/** As PostgreSQL writes a date with a time when its DateStyle is ISO. */
const TIMESTAMP = /^(\d{4,6}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?:([+-]\d\d)(:\d\d(?::\d\d)?)?)?$/;

/** A value of a result, ready for JSON. */
export type Told = OneTold | ReadList<OneTold>;
type OneTold = null | boolean | number | string | { readonly [kind in "b" | "i" | "f"]?: string };

/**
 * Reads a value of the type with this number. Integers beyond 2^53 stay exact, arrays are lists, dates with a time are of
 * ISO 8601; everything else, `numeric` and JSON too, is PostgreSQL's text.
 */
export function readText(type: number): (text: string) => Told {
  const element = ELEMENT_OF.get(type);
  if (element === undefined) return readOne(type);
  const read = readOne(element);
  return (text) => readArray(text, read) ?? text;
}

function readOne(type: number): (text: string) => OneTold {
  switch (type) {
    case TYPE.bool:
      return (text) => text === "t";
    case TYPE.int2:
    case TYPE.int4:
    case TYPE.oid:
      return Number;
    case TYPE.int8:
      return (text) => (Number.isSafeInteger(Number(text)) ? Number(text) : { i: text });
    case TYPE.float4:
    case TYPE.float8:
      return (text) => (Number.isFinite(Number(text)) ? Number(text) : { f: text });
    case TYPE.bytea:
      return (text) => ({ b: Buffer.from(text.slice(2), "hex").toString("base64") });
    case TYPE.timestamp:
    case TYPE.timestamptz:
      return (text) => text.replace(TIMESTAMP, isoTime);
    default:
      return (text) => text;
  }
}

function isoTime(_: string, date: string, time: string, hours?: string, minutes = ":00"): string {
  return `${date}T${time}${hours === undefined ? "" : `${hours}${minutes}`}`;
}

/** Bytes that a value of a type has for the limits. */
export function sizeOf(type: number, text: string): number {
  return type === TYPE.bytea ? text.length / 2 - 1 : Buffer.byteLength(text);
}

/** A value that is bound; PostgreSQL knows by its place which type it is. */
export function bindValue(value: SqlValue): null | string | Buffer {
  if (value === null) return null;
  return value instanceof Uint8Array ? Buffer.from(value) : String(value);
}
