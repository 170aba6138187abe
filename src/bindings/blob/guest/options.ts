/** Options of R2's calls as headers and queries of the host's. */

/** Conditions: R2's own, or the headers of a request. */
type Conditional =
  | Headers
  | {
      readonly etagMatches?: string;
      readonly etagDoesNotMatch?: string;
      readonly uploadedBefore?: Date;
      readonly uploadedAfter?: Date;
      readonly secondsGranularity?: boolean;
    };

type Range = Headers | { readonly offset?: number; readonly length?: number; readonly suffix?: number };

/** Options of `get`. */
export interface GetOptions {
  readonly onlyIf?: Conditional;
  readonly range?: Range;
}

/** Options of `put` and of `createMultipartUpload`. */
export interface PutOptions {
  readonly onlyIf?: Conditional;
  readonly httpMetadata?: Headers | Readonly<Record<string, unknown>>;
  readonly customMetadata?: Readonly<Record<string, string>>;
  readonly md5?: ArrayBuffer | ArrayBufferView | string;
  readonly sha1?: ArrayBuffer | ArrayBufferView | string;
  readonly sha256?: ArrayBuffer | ArrayBufferView | string;
  readonly sha384?: ArrayBuffer | ArrayBufferView | string;
  readonly sha512?: ArrayBuffer | ArrayBufferView | string;
  /** Not offered: refused, so that nobody takes what is kept for encrypted. */
  readonly ssecKey?: unknown;
}

/** Options of `list`. */
export interface ListOptions {
  readonly prefix?: string;
  readonly delimiter?: string;
  readonly cursor?: string;
  readonly startAfter?: string;
  readonly limit?: number;
  readonly include?: readonly string[];
}

type Pairs = [string, string][];

const CONDITIONS = ["if-match", "if-none-match", "if-modified-since", "if-unmodified-since"] as const;

function conditionHeaders(onlyIf: Conditional | undefined): Pairs {
  if (onlyIf === undefined) return [];
  if (onlyIf instanceof Headers) {
    return CONDITIONS.flatMap((name): Pairs => {
      const value = onlyIf.get(name);
      // A date that is none is no condition (RFC 9110, 13.1.3): it comes from whoever has sent the request.
      const isNone = value === null || (name.endsWith("-since") && Number.isNaN(Date.parse(value)));
      return isNone ? [] : [[name, value]];
    });
  }
  const { etagMatches, etagDoesNotMatch, uploadedBefore, uploadedAfter, secondsGranularity } = onlyIf;
  const dateText = (date: Date) => (secondsGranularity ? date.toUTCString() : String(date.getTime()));
  const all: Pairs = [];
  if (etagMatches !== undefined) all.push(["if-match", quoted(etagMatches)]);
  if (etagDoesNotMatch !== undefined) all.push(["if-none-match", quoted(etagDoesNotMatch)]);
  if (uploadedBefore !== undefined) all.push(["if-unmodified-since", dateText(uploadedBefore)]);
  if (uploadedAfter !== undefined) all.push(["if-modified-since", dateText(uploadedAfter)]);
  return all;
}

/** R2 takes ETags without quotes and refuses those with; we take both. */
function quoted(etag: string): string {
  return etag === "*" || etag.startsWith('"') ? etag : `"${etag}"`;
}

/** The headers of a get. */
export function getHeaders({ onlyIf, range }: GetOptions): Pairs {
  const headers = conditionHeaders(onlyIf);
  if (range instanceof Headers) {
    // What a client wants of it. What is not one range is answered with the whole object, as is what the object has not.
    const text = range.get("range") ?? "";
    if (/^bytes=(\d{1,15}-\d{0,15}|-\d{1,15})$/.test(text)) headers.push(["range", text], ["range-or-whole", "1"]);
    return headers;
  }
  const text = rangeText(range);
  if (text !== null) headers.push(["range", text]);
  return headers;
}

function rangeText(range: Exclude<Range, Headers> | undefined): string | null {
  if (range === undefined) return null;
  const { offset = 0, length, suffix } = range;
  if (suffix !== undefined && (range.offset !== undefined || length !== undefined)) {
    throw new TypeError("Cannot get: expected a range of a suffix alone, or of offset and length");
  }
  for (const value of [offset, length, suffix]) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      throw new RangeError(`Cannot get: expected a range of whole numbers, not ${value}`);
    }
  }
  if (suffix !== undefined) return `bytes=-${suffix}`;
  if (length === 0) throw new RangeError("Cannot get: expected a range of at least one byte");
  return length === undefined ? `bytes=${offset}-` : `bytes=${offset}-${offset + length - 1}`;
}

const CHECKSUMS = ["md5", "sha1", "sha256", "sha384", "sha512"] as const;

/** The headers of a put. */
export function putHeaders(options: PutOptions): Pairs {
  if (options.ssecKey !== undefined)
    throw new TypeError("Cannot put: ssecKey is not offered, nothing would be encrypted");
  const headers = conditionHeaders(options.onlyIf);
  const { httpMetadata, customMetadata } = options;
  if (httpMetadata !== undefined) headers.push(["http-metadata", jsonHeader(httpMetadataOf(httpMetadata))]);
  if (customMetadata !== undefined) {
    const texts = Object.entries(customMetadata).map(([name, value]) => [name, String(value)] as const);
    headers.push(["custom-metadata", jsonHeader(Object.fromEntries(texts))]);
  }
  for (const name of CHECKSUMS) {
    const sum = options[name];
    if (sum !== undefined) headers.push([`checksum-${name}`, typeof sum === "string" ? sum : hexOf(sum)]);
  }
  return headers;
}

function hexOf(sum: ArrayBuffer | ArrayBufferView): string {
  const view = ArrayBuffer.isView(sum) ? sum : new Uint8Array(sum);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).toHex();
}

function httpMetadataOf(given: NonNullable<PutOptions["httpMetadata"]>): Record<string, unknown> {
  if (!(given instanceof Headers)) {
    const { cacheExpiry, ...texts } = given;
    return cacheExpiry instanceof Date ? { ...texts, cacheExpiry: cacheExpiry.getTime() } : texts;
  }
  const named = ["Content-Type", "Content-Language", "Content-Disposition", "Content-Encoding", "Cache-Control"];
  const kept: Record<string, unknown> = {};
  for (const name of named) {
    const value = given.get(name);
    if (value !== null) kept[name.replace("-", "").replace(/^C/, "c")] = value;
  }
  const expires = given.get("expires");
  if (expires !== null && !Number.isNaN(Date.parse(expires))) kept["cacheExpiry"] = Date.parse(expires);
  return kept;
}

function jsonHeader(value: unknown): string {
  return encodeURIComponent(JSON.stringify(value).toWellFormed());
}

/** The query of a list. */
export function listQuery({
  prefix,
  delimiter,
  cursor,
  startAfter,
  limit,
  include = [],
}: ListOptions): URLSearchParams {
  const query = new URLSearchParams();
  if (typeof prefix === "string") query.set("prefix", prefix.toWellFormed());
  if (typeof delimiter === "string") query.set("delimiter", delimiter.toWellFormed());
  if (typeof cursor === "string" && cursor !== "") query.set("cursor", cursor);
  if (typeof startAfter === "string") query.set("start-after", startAfter.toWellFormed());
  if (typeof limit === "number") query.set("limit", String(limit));
  for (const name of include) query.append("include", String(name));
  return query;
}
