/**
 * Checks AWS Signature Version 4 in the `Authorization` header: who signed, over which region, and that method, path,
 * query, signed headers and the whole body are what was signed.
 *
 * Source: the IAM user guide, "Create a signed AWS API request". Not taken: signatures in the query, Signature Version 4A,
 * bodies that are not signed. The same request within the five minutes is taken again, as AWS takes it.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";
import { LambdaError } from "./failures.ts";

/** How far the clock of who signs may be off, in milliseconds. */
const SKEW_MS_MAX = 5 * 60 * 1000;
const ALGORITHM = "AWS4-HMAC-SHA256";
const SERVICE = "lambda";
const AUTHORIZATION_LENGTH_MAX = 4096;

/** What a signature says, before it is checked. */
export interface Signature {
  readonly accessKeyId: string;
  /** `20260131`. */
  readonly day: string;
  readonly region: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

/** The request, as far as it is signed. */
export interface SignedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** Whether an `Authorization` header is a signature, and no token. */
export function isSignature(authorization: string): boolean {
  return authorization.startsWith("AWS4-");
}

/** Reads the header. @throws {LambdaError} `IncompleteSignatureException`, `InvalidSignatureException` */
export function readSignature(authorization: string): Signature {
  const fail = (why: string): never => {
    throw new LambdaError("IncompleteSignatureException", `Cannot read the signature: ${why}.`);
  };
  if (authorization.length > AUTHORIZATION_LENGTH_MAX) fail(`it is longer than ${AUTHORIZATION_LENGTH_MAX} characters`);
  const [algorithm = "", rest = ""] = splitOnce(authorization.trim(), " ");
  if (algorithm !== ALGORITHM) fail(`its algorithm is ${algorithm.slice(0, 40)}, and ${ALGORITHM} is taken`);
  const fields = new Map(rest.split(",").map((field) => splitOnce(field.trim(), "=")));
  const credential = fields.get("Credential") ?? fail("there is no Credential");
  const names = fields.get("SignedHeaders") ?? fail("there are no SignedHeaders");
  const signature = fields.get("Signature") ?? fail("there is no Signature");
  const [accessKeyId = "", day = "", region = "", service = "", end = "", ...more] = credential.split("/");
  if (!/^\w{16,128}$/.test(accessKeyId) || !/^\d{8}$/.test(day) || end !== "aws4_request" || more.length > 0)
    fail("expected a Credential of ID/DAY/REGION/lambda/aws4_request");
  if (!/^[a-z0-9-]{1,64}$/.test(region)) fail("expected a region of small letters, digits and -");
  if (!/^[0-9a-f]{64}$/.test(signature)) fail("expected a Signature of 64 hexadecimal digits");
  if (service !== SERVICE)
    throw new LambdaError("InvalidSignatureException", `Credential should be scoped to correct service: '${SERVICE}'.`);
  const signedHeaders = names.split(";");
  if (!signedHeaders.every((name) => /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name)))
    fail("expected header names in small letters");
  return { accessKeyId, day, region, signedHeaders, signature };
}

/** @throws {LambdaError} `InvalidSignatureException` naming what is not as it was signed */
export function checkSignature(signed: Signature, request: SignedRequest, secret: string, nowMs: number): void {
  const { headers, body } = request;
  const time = headers.get("x-amz-date") ?? "";
  checkTime(time, signed.day, nowMs);
  checkSignedNames(signed.signedHeaders, headers);
  const bodyHash = createHash("sha256").update(body).digest("hex");
  const told = headers.get("x-amz-content-sha256");
  if (told !== null && told !== bodyHash) {
    throw new LambdaError(
      "InvalidSignatureException",
      "x-amz-content-sha256 is not the SHA-256 of the request's body.",
    );
  }
  const canonical = [
    ...[request.method, canonicalPath(request.url), canonicalQuery(request.url)],
    ...signed.signedHeaders.map((name) => `${name}:${canonicalValue(headers.get(name) ?? "")}`),
    ...["", signed.signedHeaders.join(";"), bodyHash],
  ].join("\n");
  const scope = `${signed.day}/${signed.region}/${SERVICE}/aws4_request`;
  const text = [ALGORITHM, time, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  const expected = createHmac("sha256", signingKey(secret, signed)).update(text).digest();
  if (timingSafeEqual(expected, Buffer.from(signed.signature, "hex"))) return;
  throw new LambdaError(
    "InvalidSignatureException",
    "The request signature we calculated does not match the signature you provided. Check the secret access key and how the request was signed.",
  );
}

function checkTime(time: string, day: string, nowMs: number): void {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time);
  const [, year, month, date, hour, minute, second] = parts ?? [];
  const signedMs = Date.parse(`${year}-${month}-${date}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(signedMs)) {
    throw new LambdaError("IncompleteSignatureException", "Cannot read x-amz-date: expected 20260131T120000Z.");
  }
  if (!time.startsWith(day))
    throw new LambdaError("InvalidSignatureException", "The day of Credential is not that of x-amz-date.");
  if (Math.abs(signedMs - nowMs) > SKEW_MS_MAX) {
    const now = new Date(nowMs).toISOString();
    throw new LambdaError(
      "InvalidSignatureException",
      `Signature expired or not yet current: ${time}, and it is ${now}.`,
    );
  }
}

/** What changes the meaning of a request must be signed: the host, and each of AWS's own headers. */
function checkSignedNames(names: readonly string[], headers: Headers): void {
  for (const needed of ["host", ...headers.keys()]) {
    const own = needed === "host" || needed.startsWith("x-amz-");
    if (!own || names.includes(needed)) continue;
    throw new LambdaError("InvalidSignatureException", `The header ${needed.slice(0, 100)} must be signed.`);
  }
}

function signingKey(secret: string, { day, region }: Signature): Uint8Array {
  let key: Uint8Array = Buffer.from(`AWS4${secret}`);
  for (const part of [day, region, SERVICE, "aws4_request"]) key = createHmac("sha256", key).update(part).digest();
  return key;
}

/** As the path was sent, and encoded once more. */
function canonicalPath(url: string): string {
  return new URL(url).pathname.split("/").map(encode).join("/");
}

function canonicalQuery(url: string): string {
  const { search } = new URL(url);
  if (search.length < 2) return "";
  const pairs = search
    .slice(1)
    .split("&")
    .map((pair) => splitOnce(pair, "=").map(decodeOnce).map(encode));
  const compare = (a = "", b = ""): number => (a < b ? -1 : a > b ? 1 : 0);
  pairs.sort(([a, x], [b, y]) => compare(a, b) || compare(x, y));
  return pairs.map(([name, value]) => `${name}=${value}`).join("&");
}

function canonicalValue(value: string): string {
  return value.trim().replace(/ +/g, " ");
}

/** Everything but RFC 3986's unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}

function decodeOnce(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new LambdaError("InvalidSignatureException", "Cannot read the query: it is not percent-encoded UTF-8.");
  }
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + by.length)];
}
