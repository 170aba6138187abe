/** The shape of the table `[blobs]`. */
import { z } from "zod";
import { text } from "./values.ts";

const variable = text("the name of a variable of the server's environment");

/** The shape of the table. */
export const blobsSchema = z.strictObject({
  endpoint: text("an address such as https://s3.eu-central-1.amazonaws.com", isEndpoint),
  bucket: text("the name of a bucket", (name) => /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name)),
  region: text("the name of a region, such as eu-central-1", (name) => /^[a-z0-9-]{1,40}$/.test(name)).optional(),
  prefix: text(
    "what stands in front of every key",
    (prefix) => prefix.length <= 200 && !/(^|\/)\.\.?(\/|$)/.test(prefix),
  ).optional(),
  path_style: z.boolean().optional(),
  access_key_id: text("the id of an access key").optional(),
  access_key_id_env: variable.optional(),
  secret_access_key_env: variable.optional(),
  secret_access_key_file: text("the path of a file").optional(),
});

function isEndpoint(endpoint: string): boolean {
  if (!URL.canParse(endpoint)) return false;
  const { protocol, pathname, search } = new URL(endpoint);
  return (protocol === "https:" || protocol === "http:") && pathname === "/" && search === "";
}
