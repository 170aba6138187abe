/** A kept answer: whole, with what was decided of it, and ready to be given again. */
import type { CacheUse, HeaderList, InvocationResponse } from "../../core/invocation.ts";
import type { Sharer } from "../../stdx/share_list.ts";
import { judge } from "../assets/conditions.ts";
import { endedWith } from "../whole_answer.ts";
import type { CacheHead, Lifetime } from "./policy.ts";

/** What the answer is made of. */
export interface EntryParts {
  readonly key: string;
  readonly project: string;
  readonly functionName: string | undefined;
  readonly url: string;
  readonly status: number;
  /** Without `age`, `cache-tag`, and what belongs to one exchange. */
  readonly headers: HeaderList;
  /** A long one is a blob: clients that read slowly share it, where each would else have a copy of its own. */
  readonly body: Uint8Array | Blob;
  readonly tags: readonly string[];
  readonly lifetime: Lifetime;
}

const BLOB_BYTES_MIN = 64 * 1024;
/** What every entry takes beside its texts and its body, in bytes: an estimate from above. */
const ENTRY_BYTES = 1536;
/** What an item of a list takes beside its text. */
const ITEM_BYTES = 64;

/** A kept answer, in a list of the project's by its last use. */
export class Entry implements Sharer<Entry> {
  readonly parts: EntryParts;
  readonly owner: string;
  readonly bytes: number;
  older: Entry | undefined;
  newer: Entry | undefined;
  /** Asked for anew in the background. */
  revalidating = false;
  /** The headers of this second, and how they say where the answer is from. */
  #headers: HeaderList = [];
  #second = -1;
  #from = "";

  constructor(parts: EntryParts) {
    const { key, url, project, headers, body, tags, lifetime } = parts;
    this.parts = parts;
    this.owner = project;
    const pairs = [...headers, ...lifetime.vary, ...tags.map((tag) => [tag, ""] as const)];
    const texts = pairs.reduce((sum, [name, value]) => sum + ITEM_BYTES + name.length + (value?.length ?? 0), 0);
    this.bytes = ENTRY_BYTES + sizeOf(body) + texts + key.length + 2 * url.length;
  }

  /** A strong or weak tag, or a date, by which the function can say that it is still current. */
  get validators(): [string, string][] {
    const found: [string, string][] = [];
    for (const [name, value] of this.parts.headers) {
      if (name === "etag") found.push(["if-none-match", value]);
      if (name === "last-modified") found.push(["if-modified-since", value]);
    }
    return found;
  }

  /**
   * The answer to a request.
   * @param from what `Cache-Status` tells of it (RFC 9211); how long it is fresh is told when it is left out
   */
  answer({ headers }: Pick<CacheHead, "headers">, now: number, use: CacheUse, from = ""): InvocationResponse {
    const { status, body } = this.parts;
    const said = this.#headersAt(now, from);
    if (status === 200 && this.#isKnown(headers)) return whole(304, said, null, use);
    // The listener leaves the body of HEAD out, and tells its length.
    return whole(status, said, sizeOf(body) === 0 ? null : body, use);
  }

  #isKnown(headers: Headers): boolean {
    if (!headers.has("if-none-match") && !headers.has("if-modified-since")) return false;
    const own = new Headers(this.parts.headers as [string, string][]);
    const modifiedAt = Date.parse(own.get("last-modified") ?? "");
    const etag = own.get("etag") ?? "";
    if (Number.isNaN(modifiedAt) && !headers.has("if-none-match")) return false;
    return judge(headers, { etag: etag.replace(/^W\//, ""), modifiedAt }) === "not modified";
  }

  /** The same list for a whole second, so that whoever makes headers of it can know it again. */
  #headersAt(now: number, from: string): HeaderList {
    const { bornAt, freshUntil } = this.parts.lifetime;
    const second = Math.max(0, Math.floor((now - bornAt) / 1000));
    if (second !== this.#second || from !== this.#from) {
      this.#second = second;
      this.#from = from;
      const told = from === "" ? `hit; ttl=${Math.floor((freshUntil - now) / 1000)}` : from;
      this.#headers = [...this.parts.headers, ["age", String(second)], ["cache-status", `isopod; ${told}`]];
    }
    return this.#headers;
  }
}

/** An answer that is there as a whole, and that no invocation gives. */
function whole(
  status: number,
  headers: HeaderList,
  all: EntryParts["body"] | null,
  cache: CacheUse,
): InvocationResponse {
  const over = endedWith(all === null ? 0 : sizeOf(all));
  const [body, blob] = all instanceof Blob ? [null, all] : [all, undefined];
  return { status, headers, body, blob, script: false, cache, over, ended: Promise.resolve(over) };
}

/** Bytes as an entry keeps them. */
export function keptBody(bytes: Uint8Array): EntryParts["body"] {
  return bytes.length < BLOB_BYTES_MIN ? bytes : new Blob([bytes as Uint8Array<ArrayBuffer>]);
}

function sizeOf(body: EntryParts["body"]): number {
  return body instanceof Blob ? body.size : body.length;
}
