/** AWS Signature Version 4, checked by an implementation of the tests' own. */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** Who may sign. */
export interface SigningKeys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** AWS Signature Version 4 in the Authorization header, over the body's hash. */
export function isSigned(request: Request, body: Uint8Array, keys: SigningKeys): boolean {
  const authorization = request.headers.get("authorization") ?? "";
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      authorization,
    );
  if (found === null) return false;
  const [, id, day = "", region = "", names = "", signature = ""] = found;
  const sent = request.headers.get("x-amz-content-sha256");
  if (id !== keys.accessKeyId || sent !== createHash("sha256").update(body).digest("hex")) return false;
  const url = new URL(request.url);
  const encode = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
  const path = url.pathname
    .split("/")
    .map((part) => encode(decodeURIComponent(part)))
    .join("/");
  const query = [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join("&");
  const headers = names
    .split(";")
    .map((name) => `${name}:${(request.headers.get(name) ?? "").trim().replace(/ +/g, " ")}\n`);
  const canonical = [request.method, path, query, headers.join(""), names, sent].join("\n");
  const time = request.headers.get("x-amz-date") ?? "";
  const scope = `${day}/${region}/s3/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", time, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  let key: Buffer | string = `AWS4${keys.secretAccessKey}`;
  for (const part of [day, region, "s3", "aws4_request"]) key = createHmac("sha256", key).update(part).digest();
  const expected = createHmac("sha256", key).update(text).digest();
  return timingSafeEqual(expected, Buffer.from(signature, "hex"));
}
