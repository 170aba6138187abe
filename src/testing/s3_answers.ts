/** What the tests' store of S3's kind answers in XML: lists of keys, uploads and parts, and refusals. */
import type { Stored, StoredUpload } from "./s3_stored.ts";

const PAGE_MAX = 1000;

/** A page of keys, by prefix, delimiter and place. */
export function keysAnswer(objects: ReadonlyMap<string, Stored>, query: URLSearchParams): Response {
  const [prefix, after] = [query.get("prefix") ?? "", query.get("start-after") ?? ""];
  const delimiter = query.get("delimiter");
  const max = Number(query.get("max-keys") ?? PAGE_MAX);
  // As the real ones write names: those of forms, not of addresses.
  const isEncoded = query.get("encoding-type") === "url";
  const named = (name: string) => (isEncoded ? encodeURIComponent(name).replaceAll("%20", "+") : escapeXml(name));
  const rows: string[] = [];
  const seen = new Set<string>();
  const finish = (isTruncated: boolean) => {
    const encoding = isEncoded ? "<EncodingType>url</EncodingType>" : "";
    return page("ListBucketResult", rows, isTruncated, encoding);
  };
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && compare(key, after) > 0);
  for (const key of keys.sort(compare)) {
    const cut = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length);
    const folder = cut < 0 ? undefined : key.slice(0, cut + (delimiter as string).length);
    if (folder !== undefined && seen.has(folder)) continue;
    if (rows.length >= max) return finish(true);
    if (folder !== undefined) {
      seen.add(folder);
      rows.push(`<CommonPrefixes><Prefix>${named(folder)}</Prefix></CommonPrefixes>`);
      continue;
    }
    const { bytes, etag, modified } = objects.get(key) as Stored;
    const facts = `<LastModified>${modified.toISOString()}</LastModified><ETag>${escapeXml(etag)}</ETag>`;
    rows.push(`<Contents><Key>${named(key)}</Key>${facts}<Size>${bytes.length}</Size></Contents>`);
  }
  return finish(false);
}

/** A page of the uploads below a prefix. */
export function uploadsAnswer(uploads: ReadonlyMap<string, StoredUpload>, query: URLSearchParams): Response {
  const prefix = query.get("prefix") ?? "";
  const after = [query.get("key-marker") ?? "", query.get("upload-id-marker") ?? ""].join("\0");
  const all = [...uploads]
    .filter(([id, { key }]) => key.startsWith(prefix) && compare([key, id].join("\0"), after) > 0)
    .sort(([oneId, one], [otherId, other]) => compare([one.key, oneId].join("\0"), [other.key, otherId].join("\0")));
  const some = all.slice(0, Number(query.get("max-uploads") ?? PAGE_MAX));
  const rows = some.map(
    ([id, { key, began }]) =>
      `<Upload><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId><Initiated>${began.toISOString()}</Initiated></Upload>`,
  );
  const [lastId, last] = some.at(-1) ?? [];
  const next = `<NextKeyMarker>${escapeXml(last?.key ?? "")}</NextKeyMarker><NextUploadIdMarker>${lastId}</NextUploadIdMarker>`;
  return page("ListMultipartUploadsResult", rows, some.length < all.length, next);
}

/** A page of an upload's parts. */
export function partsAnswer({ parts }: StoredUpload, query: URLSearchParams): Response {
  const after = Number(query.get("part-number-marker") ?? 0);
  const all = [...parts].filter(([part]) => part > after).sort(([one], [other]) => one - other);
  const some = all.slice(0, Number(query.get("max-parts") ?? PAGE_MAX));
  const rows = some.map(
    ([part, { bytes }]) => `<Part><PartNumber>${part}</PartNumber><Size>${bytes.length}</Size></Part>`,
  );
  const next = `<NextPartNumberMarker>${some.at(-1)?.[0] ?? 0}</NextPartNumberMarker>`;
  return page("ListPartsResult", rows, some.length < all.length, next);
}

/** A refusal by one of S3's codes. */
export function refusal(status: number, code: string): Response {
  return xml(`<Error><Code>${code}</Code></Error>`, status);
}

/** A document. */
export function xml(text: string, status = 200): Response {
  return new Response(`<?xml version="1.0"?>${text}`, { status, headers: { "content-type": "application/xml" } });
}

function page(name: string, rows: readonly string[], isTruncated: boolean, more: string): Response {
  return xml(`<${name}><IsTruncated>${isTruncated}</IsTruncated>${more}${rows.join("")}</${name}>`);
}

function escapeXml(text: string): string {
  return text.replace(/[&<>"\0-\x1f]/g, (each) => `&#${each.charCodeAt(0)};`);
}

function compare(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
