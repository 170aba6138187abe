/**
 * Requests to a store that speaks S3's protocol, signed (SigV4), and its answers as they are or as errors of the catalogue.
 *
 * Addresses stand in the configuration of the server's operator, so they are not held against the egress rules. What the
 * store says of a failure is for the server's log, never for programs.
 */
import { AwsClient } from "aws4fetch";
import { XMLParser } from "fast-xml-parser";
import { IsopodError } from "../../../core/errors.ts";
import { ended } from "../refused.ts";

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

/** A request. */
export interface S3Request {
  readonly method: string;
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  readonly signal?: AbortSignal;
}

/** Until the answer's head is there; a body may take longer. */
const HEAD_MS_MAX = 30_000;
const TEXT_BYTES_MAX = 8 * 1024 * 1024;

/** The client. */
export class S3Client {
  readonly #options: S3Options;
  readonly #aws: AwsClient;
  readonly #base: string;

  constructor(options: S3Options) {
    this.#options = options;
    const { accessKeyId, secretAccessKey, region, endpoint, bucket, pathStyle } = options;
    this.#aws = new AwsClient({ accessKeyId, secretAccessKey, region, service: "s3", retries: 0 });
    const url = new URL(endpoint);
    this.#base = pathStyle ? `${url.origin}/${bucket}/` : `${url.protocol}//${bucket}.${url.host}/`;
  }

  /** Stands in front of every key. */
  get prefix(): string {
    return this.#options.prefix;
  }

  /** Sends a request; answers with one of `expected`, or fails. @throws {IsopodError} `binding_failed`, `overloaded` */
  async send(
    { method, key, query = {}, headers = {}, body, signal }: S3Request,
    expected: readonly number[],
  ): Promise<Response> {
    const name = key === "" ? "" : `${this.#options.prefix}${key}`;
    const url = new URL(this.#base + name.split("/").map(encodeURIComponent).join("/"));
    for (const [each, value] of Object.entries(query)) url.searchParams.set(each, value);
    const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const sha256 = new Bun.CryptoHasher("sha256").update(bytes ?? new Uint8Array()).digest("hex");
    const init = { method, headers: { ...headers, "x-amz-content-sha256": sha256 }, ...(bytes && { body: bytes }) };
    const signed = await this.#aws.sign(url.href, init as RequestInit);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), HEAD_MS_MAX);
    const giveUp = () => late.abort();
    signal?.addEventListener("abort", giveUp);
    let answer: Response;
    try {
      const how = { signal: late.signal, redirect: "error", proxy: false } as unknown as RequestInit;
      answer = await fetch(signed, how);
    } catch (cause) {
      if (signal?.aborted) throw ended();
      throw unavailable("it does not answer", cause);
    } finally {
      clearTimeout(timer);
    }
    if (expected.includes(answer.status)) return answer;
    throw await failureOf(answer);
  }

  /** Sends a request whose answer is XML. */
  async sendForXml(request: S3Request): Promise<Record<string, unknown>> {
    const answer = await this.send(request, [200]);
    const parser = new XMLParser({
      ...{ ignoreAttributes: true, parseTagValue: false, processEntities: true, trimValues: false },
      isArray: (name) => name === "Contents" || name === "CommonPrefixes",
    });
    const parsed = parser.parse(await boundedText(answer)) as Record<string, unknown>;
    // An upload in parts may fail after its answer has begun: with status 200, and an error in it.
    if ("Error" in parsed) throw unavailable("it refused", parsed.Error);
    return parsed;
  }
}

async function failureOf(answer: Response): Promise<IsopodError> {
  const said = await boundedText(answer).catch(() => "");
  if (answer.status === 503 || answer.status === 429) {
    return new IsopodError("overloaded", { message: "Cannot use blobs: the store is overloaded", cause: said });
  }
  return unavailable(`it answered ${answer.status}`, said);
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
