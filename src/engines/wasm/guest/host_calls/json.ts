/** The JSON that modules and bindings exchange; bytes in it are `{"base64": "..."}`, large integers `{"integer": "..."}`. */

/** The object in `json`; an empty one for no text. @throws {TypeError} */
export function objectIn(json: string): object {
  const value: unknown = json === "" ? {} : parse(json);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new TypeError("expected an object of JSON");
}

/** The list in `json`, with bytes and large integers where they are meant; an empty one for no text. @throws {TypeError} */
export function listIn(json: string): unknown[] {
  const value: unknown = json === "" ? [] : parse(json);
  if (!Array.isArray(value)) throw new TypeError("expected a list of JSON");
  return value.map(read);
}

/** `value` as JSON. */
export function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    item instanceof Uint8Array ? { base64: item.toBase64() } : item,
  );
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new TypeError(`expected JSON, not ${JSON.stringify(json.slice(0, 60))}`);
  }
}

function read(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(read);
  if (typeof value !== "object" || value === null) return value;
  if ("integer" in value) return BigInt(String(value.integer));
  return "base64" in value ? Uint8Array.fromBase64(String(value.base64)) : value;
}
