/**
 * A store that speaks S3's protocol, as far as the blob binding uses it, in memory: for tests without a real one.
 *
 * It checks every signature by an implementation of its own (AWS Signature Version 4) and every body by the hash that was
 * signed, so that what it takes, a real store takes as well.
 */
import { createHash } from "node:crypto";
import { isSigned } from "./aws_signature.ts";
import { keysAnswer, partsAnswer, refusal, uploadsAnswer, xml } from "./s3_answers.ts";
import type { Stored, StoredUpload } from "./s3_stored.ts";

/** Who may use it. */
export const S3_KEYS = { accessKeyId: "AKIDTEST", secretAccessKey: "secret/of+the=test" } as const;

const PART_BYTES_MIN = 5 * 1024 * 1024;

/** The server. */
export class S3Server implements Disposable {
  readonly objects = new Map<string, Stored>();
  readonly uploads = new Map<string, StoredUpload>();
  /** Gives half of an object and ends, while it is set. */
  cutting = false;
  /** Answers all requests with this status while it is set. */
  failing: number | undefined;
  readonly #server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: (request) => this.#answer(request) });

  get endpoint(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  [Symbol.dispose](): void {
    this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const body = await request.bytes();
    if (this.failing !== undefined) return refusal(this.failing, "Slow");
    if (!isSigned(request, body, S3_KEYS)) return refusal(403, "SignatureDoesNotMatch");
    const url = new URL(request.url);
    const [, , ...rest] = url.pathname.split("/");
    const key = rest.map(decodeURIComponent).join("/");
    const query = url.searchParams;
    if (query.has("uploads")) {
      return request.method === "GET" ? uploadsAnswer(this.uploads, query) : this.#begin(key, request);
    }
    const id = query.get("uploadId");
    if (id !== null) return this.#upload(id, key, request, body, query);
    if (request.method === "GET" && key === "") return keysAnswer(this.objects, query);
    if (request.method === "PUT") return this.#put(key, request, body);
    const found = this.objects.get(key);
    if (request.method === "DELETE") {
      this.objects.delete(key);
      return new Response(null, { status: 204 });
    }
    return found === undefined ? new Response(null, { status: 404 }) : this.#get(found, request);
  }

  #put(key: string, request: Request, bytes: Uint8Array): Response {
    const failed = this.#precondition(key, request);
    if (failed !== undefined) return failed;
    const stored = store(bytes, request);
    this.objects.set(key, stored);
    return new Response(null, { headers: { etag: stored.etag } });
  }

  #precondition(key: string, { headers }: Request): Response | undefined {
    const found = this.objects.get(key);
    const match = headers.get("if-match");
    if (headers.get("if-none-match") === "*" && found !== undefined) return new Response(null, { status: 412 });
    if (match !== null && match !== found?.etag) return new Response(null, { status: found === undefined ? 404 : 412 });
    return undefined;
  }

  #get({ bytes, etag, headers, modified }: Stored, request: Request): Response {
    const match = request.headers.get("if-match");
    if (match !== null && match !== etag) return new Response(null, { status: 412 });
    const all = { ...headers, etag, "last-modified": modified.toUTCString() };
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "") ?? [];
    if (request.method === "HEAD") {
      return new Response(null, { headers: { ...all, "content-length": String(bytes.length) } });
    }
    if (this.cutting) return new Response(cut(bytes), { headers: all });
    if (from === undefined) return new Response(bytes as Uint8Array<ArrayBuffer>, { headers: all });
    const range = { "content-range": `bytes ${from}-${to}/${bytes.length}` };
    const part = bytes.slice(Number(from), Number(to) + 1);
    return new Response(part, { status: 206, headers: { ...all, ...range } });
  }

  #begin(key: string, request: Request): Response {
    const id = crypto.randomUUID();
    this.uploads.set(id, { key, began: new Date(), headers: keptHeaders(request), parts: new Map() });
    return xml(`<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
  }

  #upload(id: string, key: string, request: Request, body: Uint8Array, query: URLSearchParams): Response {
    const upload = this.uploads.get(id);
    if (upload === undefined || upload.key !== key) return refusal(404, "NoSuchUpload");
    if (request.method === "GET") return partsAnswer(upload, query);
    if (request.method === "DELETE") {
      this.uploads.delete(id);
      return new Response(null, { status: 204 });
    }
    if (request.method === "PUT") {
      const stored = store(body, request);
      upload.parts.set(Number(query.get("partNumber")), stored);
      return new Response(null, { headers: { etag: stored.etag } });
    }
    const failed = this.#precondition(key, request);
    if (failed !== undefined) return failed;
    const chosen = [...new TextDecoder().decode(body).matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>(.*?)<\/ETag>/g)];
    const parts = chosen.map(([, number, etag]) => ({ part: upload.parts.get(Number(number)), etag }));
    if (parts.some(({ part, etag }) => part === undefined || part.etag !== etag)) {
      return refusal(400, "InvalidPart");
    }
    if (parts.slice(0, -1).some(({ part }) => (part?.bytes.length ?? 0) < PART_BYTES_MIN)) {
      return refusal(400, "EntityTooSmall");
    }
    const md5 = createHash("md5");
    for (const { part } of parts) md5.update(Buffer.from(part?.etag.slice(1, -1) ?? "", "hex"));
    const bytes = Buffer.concat(parts.map(({ part }) => part?.bytes ?? new Uint8Array()));
    const etag = `"${md5.digest("hex")}-${parts.length}"`;
    this.objects.set(key, { bytes, etag, headers: upload.headers, modified: new Date() });
    this.uploads.delete(id);
    return xml("<CompleteMultipartUploadResult/>");
  }
}

function store(bytes: Uint8Array, request: Request): Stored {
  const etag = `"${createHash("md5").update(bytes).digest("hex")}"`;
  return { bytes, etag, headers: keptHeaders(request), modified: new Date() };
}

function keptHeaders({ headers }: Request): Record<string, string> {
  const kept = [...headers].filter(([name]) =>
    /^(content-(type|language|disposition|encoding)|cache-control|x-amz-meta-.*)$/.test(name),
  );
  return Object.fromEntries(kept);
}

/** The first half, as a stream: without a length, so that nobody below notices. */
function cut(bytes: Uint8Array): ReadableStream<Uint8Array> {
  return new Blob([bytes.slice(0, bytes.length / 2)]).stream();
}
