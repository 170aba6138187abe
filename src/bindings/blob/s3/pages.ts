/** Lists as the store gives them: of keys, of uploads under way, and of an upload's parts. */
import { IsopodError } from "../../../core/errors.ts";
import type { ListedObject } from "../object.ts";
import type { S3Client } from "./client.ts";
import { etagOf } from "./headers.ts";

/** A page of keys, without what stands in front of the program's. */
export interface KeyPage {
  readonly objects: readonly ListedObject[];
  readonly prefixes: readonly string[];
  readonly after: string | undefined;
}

/** What is asked for; `root` stands in front of the prefix and of every key. */
export interface KeyQuery {
  readonly root: string;
  readonly prefix: string;
  readonly delimiter?: string | undefined;
  readonly after?: string | undefined;
  readonly limit?: number;
}

/** An upload that is under way. */
export interface PendingUpload {
  readonly id: string;
  /** Below the server's prefix. */
  readonly name: string;
  /** Milliseconds since the Unix epoch. */
  readonly began: number;
}

type Row = Readonly<Record<string, string>>;
const ROWS_MAX = 1000;

/** A page of keys. @throws {IsopodError} */
export async function listKeys(
  client: S3Client,
  { root, prefix, delimiter, after, limit = ROWS_MAX }: KeyQuery,
): Promise<KeyPage> {
  const front = client.prefix + root;
  const query = {
    // Names as XML cannot hold them come percent-encoded.
    ...{ "list-type": "2", "encoding-type": "url", prefix: front + prefix, "max-keys": String(limit) },
    ...(delimiter !== undefined && { delimiter }),
    ...(after !== undefined && { "start-after": front + after }),
  };
  const { ListBucketResult: result = {} } = (await client.sendForXml({ method: "GET", key: "", query })) as {
    ListBucketResult?: {
      readonly Contents?: readonly Row[];
      readonly CommonPrefixes?: readonly Row[];
      readonly IsTruncated?: string;
      readonly EncodingType?: string;
    };
  };
  const { Contents = [], CommonPrefixes = [], IsTruncated, EncodingType } = result;
  const own = (text = "") => {
    const name = EncodingType === "url" ? decodeURIComponent(text.replaceAll("+", " ")) : text;
    if (name.startsWith(front + prefix)) return name.slice(front.length);
    throw new IsopodError("binding_failed", { message: "Cannot use blobs: the store lists keys nobody asked for" });
  };
  const objects = Contents.map(({ Key, ETag, Size, LastModified = "" }): ListedObject => {
    const etag = etagOf(ETag);
    const uploaded = Date.parse(LastModified) || 0;
    return { key: own(Key), version: etag, size: Number(Size), etag, uploaded, checksums: {} };
  });
  const prefixes = CommonPrefixes.map(({ Prefix }) => own(Prefix));
  const [, last] = [objects.at(-1)?.key ?? "", prefixes.at(-1) ?? ""].sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  return { objects, prefixes, after: IsTruncated === "true" ? last : undefined };
}

/** The uploads below a root, by name; none where the store keeps no list of them. @throws {IsopodError} */
export async function* listUploads(client: S3Client, root: string): AsyncGenerator<PendingUpload> {
  let marker: Record<string, string> = {};
  for (;;) {
    const query = { uploads: "", prefix: client.prefix + root, "max-uploads": String(ROWS_MAX), ...marker };
    const answer = await client.sendForXml({ method: "GET", key: "", query }, true);
    const { ListMultipartUploadsResult: result } = answer as {
      ListMultipartUploadsResult?: {
        readonly Upload?: readonly Row[];
        readonly IsTruncated?: string;
        readonly NextKeyMarker?: string;
        readonly NextUploadIdMarker?: string;
      };
    };
    for (const { Key = "", UploadId = "", Initiated = "" } of result?.Upload ?? []) {
      if (!Key.startsWith(client.prefix + root)) continue;
      yield { id: UploadId, name: Key.slice(client.prefix.length), began: Date.parse(Initiated) || 0 };
    }
    if (result?.IsTruncated !== "true") return;
    marker = { "key-marker": result.NextKeyMarker ?? "", "upload-id-marker": result.NextUploadIdMarker ?? "" };
  }
}

/** The lengths of an upload's parts. @throws {IsopodError} `not_found` when there is no such upload */
export async function* listParts(client: S3Client, name: string, id: string): AsyncGenerator<number> {
  let marker: Record<string, string> = {};
  for (;;) {
    const query = { uploadId: id, "max-parts": String(ROWS_MAX), ...marker };
    const { ListPartsResult: result } = (await client.sendForXml({ method: "GET", key: name, query })) as {
      ListPartsResult?: {
        readonly Part?: readonly Row[];
        readonly IsTruncated?: string;
        readonly NextPartNumberMarker?: string;
      };
    };
    for (const { Size } of result?.Part ?? []) yield Number(Size);
    if (result?.IsTruncated !== "true") return;
    marker = { "part-number-marker": result.NextPartNumberMarker ?? "" };
  }
}
