/** Pages of a list as the store gives them. */
import type { BlobObject, ListPage } from "../object.ts";
import { etagOf } from "./headers.ts";

/** The page of an answer; `rootLength` characters of each key are not the program's. */
export function pageOf({ ListBucketResult: result = {} }: Record<string, unknown>, rootLength: number): ListPage {
  const {
    Contents = [],
    CommonPrefixes = [],
    IsTruncated,
  } = result as {
    readonly Contents?: readonly Readonly<Record<string, string>>[];
    readonly CommonPrefixes?: readonly Readonly<Record<string, string>>[];
    readonly IsTruncated?: string;
  };
  const objects = Contents.map(({ Key = "", ETag, Size, LastModified = "" }): BlobObject => {
    const etag = etagOf(ETag);
    const facts = { httpMetadata: {}, customMetadata: {}, checksums: {} };
    const uploaded = Date.parse(LastModified) || 0;
    return { key: Key.slice(rootLength), version: etag, size: Number(Size), etag, uploaded, ...facts };
  });
  const prefixes = CommonPrefixes.map(({ Prefix = "" }) => Prefix.slice(rootLength));
  const last = [objects.at(-1)?.key ?? "", prefixes.at(-1) ?? ""].sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  )[1];
  return { objects, prefixes, after: IsTruncated === "true" ? last : undefined };
}
