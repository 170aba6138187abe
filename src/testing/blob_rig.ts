/** A blob binding on a temporary folder, for the time of one test, with a clock that the test turns. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createBlobs } from "../bindings/blob/binding.ts";
import { createLocalBackend } from "../bindings/blob/local/backend.ts";
import { openS3 } from "../bindings/blob/s3/open.ts";
import type { Binding, BindingAnswer } from "../core/binding.ts";
import type { BindingGrant } from "../core/binding_kinds.ts";
import { answerText, bindingCall, fakeScope } from "./binding-suite.ts";
import { FakeClock } from "./fake_clock.ts";
import { S3_KEYS, type S3Server } from "./s3_server.ts";

/** A grant of a bucket; `one` of the project `default` when nothing is said. */
export function bucketGrant(more: Partial<BindingGrant> = {}): BindingGrant {
  return { type: "blob", project: "default", resource: "one", mode: "read-write", options: {}, ...more };
}

/** What is asked. */
export interface AskedBlob {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | ReadableStream<Uint8Array>;
  readonly grant?: BindingGrant;
  readonly signal?: AbortSignal;
}

/** How a rig is set up. */
export interface BlobRigOptions {
  readonly bytesMax?: number;
  /** Keeps the blobs; files in the rig's folder when left out. */
  readonly store?: S3Server | undefined;
  /** Whom the store is told to be. */
  readonly secret?: string;
}

/** The binding. */
export class BlobRig implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly directory = mkdtempSync(join(tmpdir(), "isopod-blob-"));
  binding: Binding;
  readonly #options: BlobRigOptions;

  constructor(options: BlobRigOptions = {}) {
    this.#options = options;
    this.binding = this.#open();
  }

  #open(): Binding {
    const { clock, directory } = this;
    const { store, secret = S3_KEYS.secretAccessKey, bytesMax = 1024 * 1024 * 1024 } = this.#options;
    const parts = { clock, quotas: { bytesMax: () => bytesMax }, report() {} };
    if (store === undefined) return createBlobs(createLocalBackend({ ...parts, directory }));
    const { endpoint } = store;
    const where = { endpoint, bucket: "b", region: "eu-test-1", prefix: "isopod/", pathStyle: true };
    const who = { accessKeyId: S3_KEYS.accessKeyId, secretAccessKey: secret };
    return createBlobs(openS3({ ...where, ...who }, { ...parts, spoolDirectory: join(directory, "spool") }));
  }

  /** Bodies that wait to become an object. */
  get drafts(): readonly string[] {
    const folder = this.#options.store === undefined ? join("default", "drafts") : "spool";
    return readdirSync(join(this.directory, folder));
  }

  /** Closes it and opens it again. */
  async reopen(): Promise<void> {
    await this.binding.close();
    this.binding = this.#open();
  }

  async call(method: string, url: string, asked: AskedBlob = {}): Promise<BindingAnswer> {
    const { headers = {}, body, grant = bucketGrant(), signal } = asked;
    const stream =
      body instanceof ReadableStream ? body : body === undefined ? null : new Blob([body as string]).stream();
    const scope = signal === undefined ? fakeScope() : Object.assign(fakeScope(), { signal });
    return this.binding.call(
      bindingCall(url, { method, headers: Object.entries(headers), body: stream }),
      grant,
      scope,
    );
  }

  put(key: string, body: AskedBlob["body"], asked: AskedBlob = {}): Promise<BindingAnswer> {
    return this.call("PUT", `/objects/${encodeURIComponent(key)}`, { ...asked, ...(body !== undefined && { body }) });
  }

  /** The text of an object; null when it is not there. */
  async text(key: string, asked: AskedBlob = {}): Promise<string | null> {
    const answer = await this.call("GET", `/objects/${encodeURIComponent(key)}`, asked);
    return answer.status === 404 ? null : answerText(answer);
  }

  /** All keys that a list gives, page by page. */
  async keys(query = "", grant = bucketGrant()): Promise<string[]> {
    const keys: string[] = [];
    for (let cursor: string | undefined = ""; cursor !== undefined; ) {
      const url = `/objects?${query}${cursor === "" ? "" : `&cursor=${cursor}`}`;
      const page = JSON.parse(await answerText(await this.call("GET", url, { grant }))) as {
        objects: { key: string }[];
        prefixes: string[];
        cursor?: string;
      };
      keys.push(...page.objects.map(({ key }) => key), ...page.prefixes);
      cursor = page.cursor;
    }
    return keys;
  }

  /** The files of bytes that lie there, once everything is closed. */
  async files(project = "default"): Promise<string[]> {
    await this.reopen();
    await this.binding.close();
    this.binding = this.#open();
    const folder = join(this.directory, project, "content");
    return readdirSync(folder).flatMap((name) =>
      readdirSync(join(folder, name)).map((file) => join(folder, name, file)),
    );
  }

  /** What a call answers in JSON. */
  async json(method: string, url: string, asked: AskedBlob = {}): Promise<Record<string, unknown>> {
    return JSON.parse(await answerText(await this.call(method, url, asked)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.binding.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
