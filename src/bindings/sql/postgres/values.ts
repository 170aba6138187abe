/** Values between PostgreSQL, which is asked for texts, and what a program is told, as `database/values.ts` has them. */
import type { SqlValue } from "../database/values.ts";

/** The numbers of types that are more than a text to a program. */
const TYPE = { bool: 16, bytea: 17, int8: 20, int2: 21, int4: 23, oid: 26, float4: 700, float8: 701 } as const;

type Told = null | boolean | number | string | { readonly b: string } | { readonly i: string } | { readonly f: string };

/** Reads a value of the type with this number. Numbers beyond 2^53 stay exact; numeric, dates, JSON and arrays are texts. */
export function readText(type: number): (text: string) => Told {
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
    default:
      return (text) => text;
  }
}

/** A value that is bound; PostgreSQL knows by its place which type it is. */
export function bindValue(value: SqlValue): null | string | Buffer {
  if (value === null) return null;
  return value instanceof Uint8Array ? Buffer.from(value) : String(value);
}
