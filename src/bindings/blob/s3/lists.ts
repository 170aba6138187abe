/** A bucket's keys as programs list them, and the removal of all that a project has. */
import type { Bucket } from "../backend.ts";
import { type BlobObject, type ListedObject, type ListPage, type ListQuery, listed } from "../object.ts";
import { eachAtOnce } from "./at_once.ts";
import type { S3Client } from "./client.ts";
import { lastBelow, rootOf } from "./names.ts";
import { listKeys, listUploads } from "./pages.ts";

/** Keys of a list that tells metadata: each is a request. */
const INCLUDING_KEYS_MAX = 100;

/** A page of a bucket's keys; metadata that is to be told is asked for by `head`. @throws {IsopodError} */
export async function listBucket(
  client: S3Client,
  bucket: Bucket,
  { prefix, delimiter, after, limit, include }: ListQuery,
  head: (key: string) => Promise<BlobObject | undefined>,
): Promise<ListPage> {
  const root = rootOf(bucket);
  // A common prefix is one entry: what follows it stands behind all that begin with it.
  const isFolder = delimiter !== undefined && after?.endsWith(delimiter) && after.length > prefix.length;
  const page = await listKeys(client, {
    ...{ root, prefix, delimiter },
    after: after !== undefined && isFolder ? lastBelow(client.prefix, root, after) : after,
    limit: include.length > 0 ? Math.min(limit, INCLUDING_KEYS_MAX) : limit,
  });
  if (include.length === 0) return page;
  const objects: (ListedObject | undefined)[] = [];
  await eachAtOnce(page.objects, async ({ key }, at) => {
    const object = await head(key);
    objects[at] = object && listed(object, include);
  });
  // What was deleted meanwhile is not told.
  return { ...page, objects: objects.filter((object) => object !== undefined) };
}

/** Removes every object and every upload below a root. @throws {IsopodError} */
export async function removeAll(client: S3Client, root: string): Promise<void> {
  for (let after: string | undefined; ; ) {
    const page = await listKeys(client, { root, prefix: "", after });
    await eachAtOnce(page.objects, async ({ key }) => {
      await client.send({ method: "DELETE", key: root + key }, [204, 200, 404]);
    });
    if (page.after === undefined) break;
    after = page.after;
  }
  for await (const { id, name } of listUploads(client, root)) {
    await client.send({ method: "DELETE", key: name, query: { uploadId: id } }, [204, 200, 404]);
  }
}
