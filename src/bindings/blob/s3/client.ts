/**
 * Requests to a store that speaks S3's protocol, signed (SigV4), and its answers as they are or as errors of the catalogue.
 *
 * Addresses stand in the configuration of the server's operator, so they are not held against the egress rules. What the
 * store says of a failure is for the server's log, never for programs.
 */
import { AwsV4Signer } from "aws4fetch";
import { XMLParser } from "fast-xml-parser";
import { IsopodError } from "../../../core/errors.ts";
import { ended, noUpload, refused } from "../refused.ts";

/** Where the store is, and who we are there. */
export interface S3Options {
  /** Such as `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  /** Stands in front of every key. */
  readonly prefix: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Whether the bucket is the first part of the path, and not of the host's name. */
  readonly pathStyle: boolean;
}

/** A body in a file. */
export interface FileBody {
  readonly path: string;
  readonly bytes: number;
  /** Hex digits. */
  readonly sha256: string;
  readonly md5: string;
}

/** A request. */
export interface S3Request {
  readonly method: string;
  /** Below the server's prefix; empty for the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: FileBody | string;
  readonly signal?: AbortSignal;
}

/** Until the answer's head is there, and for each byte that is sent before; the answer's body may take longer. */
const HEAD_MS_MAX = 30_000;
const SENT_BYTES_PER_MS_MIN = 256;
const TEXT_BYTES_MAX = 8 * 1024 * 1024;
const NO_BYTES_SHA256 = new Bun.CryptoHasher("sha256").digest("hex");

/** The client. */
export class S3Client {
  readonly #options: S3Options;
  readonly #base: string;

  constructor(options: S3Options) {
    this.#options = options;
    const { endpoint, bucket, pathStyle } = options;
    const url = new URL(endpoint);
    this.#base = pathStyle ? `${url.origin}/${bucket}/` : `${url.protocol}//${bucket}.${url.host}/`;
  }

  /** Stands in front of every key. */
  get prefix(): string {
    return this.#options.prefix;
  }

  /**
   * Sends a request; answers with one of `expected`, or fails.
   * @throws {IsopodError} `binding_failed`, `overloaded`; `not_found` and `bad_request` for uploads
   */
  async send(request: S3Request, expected: readonly number[]): Promise<Response> {
    const { method, body, signal } = request;
    const late = new AbortController();
    const giveUp = () => late.abort();
    const msMax = HEAD_MS_MAX + (typeof body === "object" ? body.bytes / SENT_BYTES_PER_MS_MIN : 0);
    const timer = setTimeout(giveUp, msMax);
    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted) giveUp();
    let answer: Response;
    try {
      const { url, headers } = await this.#signed(request);
      const sent = body === undefined ? {} : { body: typeof body === "string" ? body : Bun.file(body.path).stream() };
      const how = { method, headers, ...sent, signal: late.signal, redirect: "error", proxy: false };
      answer = await fetch(url, how as unknown as RequestInit);
    } catch (cause) {
      signal?.removeEventListener("abort", giveUp);
      if (signal?.aborted) throw ended();
      throw unavailable("it does not answer", cause);
    } finally {
      clearTimeout(timer);
    }
    if (expected.includes(answer.status)) return answer;
    throw await failureOf(answer);
  }

  /** Sends a request whose answer is XML; empty where the store may lack it and says that it does. */
  async sendForXml(request: S3Request, mayLack = false): Promise<Record<string, unknown>> {
    const answer = await this.send(request, mayLack ? [200, 501] : [200]);
    const text = await boundedText(answer);
    if (answer.status === 501) return {};
    const parsed = parsedXml(text);
    // An upload in parts may fail after its answer has begun: with status 200, and an error in it.
    if ("Error" in parsed) throw namedError(parsed) ?? unavailable("it refused", parsed.Error);
    return parsed;
  }

  async #signed({ method, key, query = {}, headers = {}, body }: S3Request) {
    const { accessKeyId, secretAccessKey, region, prefix } = this.#options;
    const name = key === "" ? "" : `${prefix}${key}`;
    const url = new URL(this.#base + name.split("/").map(encodeURIComponent).join("/"));
    for (const [each, value] of Object.entries(query)) url.searchParams.set(each, value);
    const all = { ...headers, "x-amz-content-sha256": hashOf(body) };
    const signer = new AwsV4Signer({
      accessKeyId,
      secretAccessKey,
      region,
      service: "s3",
      method,
      url: url.href,
      headers: all,
    });
    const signed = await signer.sign();
    if (typeof body === "object") signed.headers.set("content-length", String(body.bytes));
    return signed;
  }
}

function hashOf(body: S3Request["body"]): string {
  if (body === undefined) return NO_BYTES_SHA256;
  return typeof body === "object" ? body.sha256 : new Bun.CryptoHasher("sha256").update(body).digest("hex");
}

async function failureOf(answer: Response): Promise<IsopodError> {
  const said = await boundedText(answer).catch(() => "");
  if (answer.status === 503 || answer.status === 429) {
    return new IsopodError("overloaded", { message: "Cannot use blobs: the store is overloaded", cause: said });
  }
  return namedError(parsedXml(said)) ?? unavailable(`it answered ${answer.status}`, said);
}

/** What the store refuses of an upload because of what the program has sent. */
function namedError({ Error: error }: Record<string, unknown>): IsopodError | undefined {
  const { Code } = (typeof error === "object" && error !== null ? error : {}) as { readonly Code?: unknown };
  if (Code === "NoSuchUpload") return noUpload();
  if (Code === "EntityTooSmall") return refused("a part that is not the last one is too small");
  if (Code === "InvalidPart" || Code === "InvalidPartOrder") return refused("a part is not there, or has another etag");
  return undefined;
}

function parsedXml(text: string): Record<string, unknown> {
  const parser = new XMLParser({
    ...{ ignoreAttributes: true, parseTagValue: false, processEntities: true, trimValues: false },
    isArray: (name) => ["Contents", "CommonPrefixes", "Upload", "Part"].includes(name),
  });
  try {
    return parser.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw unavailable("its answer is not XML", cause);
  }
}

function unavailable(why: string, cause: unknown): IsopodError {
  return new IsopodError("binding_failed", { message: `Cannot use blobs: the store cannot be used, ${why}`, cause });
}

async function boundedText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > TEXT_BYTES_MAX) throw unavailable("its answer is too long", undefined);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
