/** Objects as S3's headers tell of them: HTTP's own headers, and one of ours that holds the rest. */
import type { BlobObject, PutFacts } from "../object.ts";
import { tooLarge } from "../refused.ts";

const TEXTS = [
  ["contentType", "content-type"],
  ["contentLanguage", "content-language"],
  ["contentDisposition", "content-disposition"],
  ["contentEncoding", "content-encoding"],
  ["cacheControl", "cache-control"],
] as const;
const OURS = "x-amz-meta-isopod";
/** S3 keeps 2 KB of metadata with an object, names included. */
const OURS_BYTES_MAX = 2000;

/** What is put beside the bytes, as headers. @throws {IsopodError} `value_too_large` */
export function headersOf({ httpMetadata, customMetadata, checksums }: PutFacts): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, header] of TEXTS) {
    const value = httpMetadata[name];
    if (value !== undefined) headers[header] = value;
  }
  const { cacheExpiry } = httpMetadata;
  const rest = { c: customMetadata, s: checksums, ...(cacheExpiry !== undefined && { e: cacheExpiry }) };
  const ours = Buffer.from(JSON.stringify(rest)).toString("base64url");
  if (ours.length > OURS_BYTES_MAX) {
    throw tooLarge("the metadata is longer, encoded,", { name: "metadataBytesMax", value: OURS_BYTES_MAX });
  }
  headers[OURS] = ours;
  return headers;
}

/** The object that an answer is about. */
export function objectOf(key: string, { headers }: Response): BlobObject {
  const httpMetadata: Record<string, string | number> = {};
  for (const [name, header] of TEXTS) {
    const value = headers.get(header);
    if (value !== null && value !== "") httpMetadata[name] = value;
  }
  const { c = {}, s = {}, e } = oursOf(headers.get(OURS));
  if (e !== undefined) httpMetadata.cacheExpiry = e;
  const etag = etagOf(headers.get("etag"));
  const total = /\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1];
  return {
    key,
    version: headers.get("x-amz-version-id") ?? etag,
    size: Number(total ?? headers.get("content-length") ?? 0),
    etag,
    uploaded: Date.parse(headers.get("last-modified") ?? "") || 0,
    ...{ httpMetadata, customMetadata: c, checksums: s },
  };
}

/** An ETag without its quotes. */
export function etagOf(text: unknown): string {
  return String(text ?? "").replace(/^"(.*)"$/, "$1");
}

interface Ours {
  readonly c?: Readonly<Record<string, string>>;
  readonly s?: Readonly<Record<string, string>>;
  readonly e?: number;
}

function oursOf(text: string | null): Ours {
  try {
    return text === null ? {} : (JSON.parse(Buffer.from(text, "base64url").toString()) as Ours);
  } catch {
    // Somebody else's object: it has no more than S3 knows.
    return {};
  }
}
