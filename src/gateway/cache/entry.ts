/** A kept answer: whole, with what was decided of it, and ready to be given again. */
import type { HeaderList, InvocationResponse } from "../../core/invocation.ts";
import type { Sharer } from "../../stdx/share_list.ts";
import { judge } from "../assets/conditions.ts";
import { wholeAnswer } from "../whole_answer.ts";
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
  readonly body: Uint8Array;
  readonly tags: readonly string[];
  readonly lifetime: Lifetime;
  /** Milliseconds since the Unix epoch. */
  readonly storedAt: number;
}

/** What every entry takes beside its body and headers, in bytes: an estimate. */
const ENTRY_BYTES = 1024;

/** A kept answer, in a list of the project's by its last use. */
export class Entry implements Sharer<Entry> {
  readonly parts: EntryParts;
  readonly owner: string;
  readonly bytes: number;
  older: Entry | undefined;
  newer: Entry | undefined;
  /** Asked for anew in the background. */
  revalidating = false;
  readonly #bornAt: number;
  /** The headers of this second, and how they say where the answer is from. */
  #headers: HeaderList = [];
  #second = -1;
  #from = "";

  constructor(parts: EntryParts) {
    this.parts = parts;
    this.owner = parts.project;
    const heads = parts.headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
    this.bytes = ENTRY_BYTES + parts.body.length + heads + parts.key.length;
    this.#bornAt = parts.storedAt - parts.lifetime.policy.age() * 1000;
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

  /** The answer to a request; `from` is told in `Cache-Status` (RFC 9211). */
  answer({ method, headers }: CacheHead, now: number, from: string): InvocationResponse {
    const { status, body } = this.parts;
    const said = this.#headersAt(now, from);
    if (status === 200 && this.#isKnown(headers)) return wholeAnswer(304, said, null, 0);
    const sent = method === "HEAD" || body.length === 0 ? null : body;
    return wholeAnswer(status, said, sent, sent?.length ?? 0);
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
    const second = Math.max(0, Math.floor((now - this.#bornAt) / 1000));
    if (second !== this.#second || from !== this.#from) {
      this.#second = second;
      this.#from = from;
      this.#headers = [...this.parts.headers, ["age", String(second)], ["cache-status", `isopod; ${from}`]];
    }
    return this.#headers;
  }
}
