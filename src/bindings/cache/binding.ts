/**
 * The Cache API: answers that programs put themselves, by address, in memory.
 *
 * Every program has it. Whose answers a call reaches says the space that its instance holds: the project's, or the
 * plan's for programs that came with their request. `GET|PUT|DELETE /NAME?URL`; what an answer is made of is a header.
 */
import type { Binding, BindingAnswer, BindingCall, CallScope } from "../../core/binding.ts";
import type { Clock } from "../../core/clock.ts";
import { IsopodError } from "../../core/errors.ts";
import type { Body, HeaderList } from "../../core/invocation.ts";
import { ShareList, type Sharer } from "../../stdx/share_list.ts";
import { headerOf, lifetimeMs } from "./lifetime.ts";
import { CACHE_API_LIMITS } from "./limits.ts";
import { callEnded, readBody } from "./put_body.ts";
import { select } from "./selection.ts";

/** An answer that was put. */
interface Kept extends Sharer<Kept> {
  readonly key: string;
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Uint8Array;
  readonly storedAt: number;
  readonly expiresAt: number;
}

const ENTRY_BYTES = 512;
const ROOM = { bytesMax: CACHE_API_LIMITS.bytesMax, ownerBytesMax: CACHE_API_LIMITS.spaceBytesMax };

/** Creates the binding; a grant is the name of a space. */
export function createCacheApi(clock: Clock): Binding<string> {
  return new CacheApi(clock);
}

class CacheApi implements Binding<string> {
  readonly type = "cache";
  readonly #clock: Clock;
  readonly #byKey = new Map<string, Kept>();
  readonly #list = new ShareList<Kept>(ROOM, (kept) => this.#byKey.delete(kept.key));
  readonly #ender = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async call(call: BindingCall, space: string, scope: CallScope): Promise<BindingAnswer> {
    if (this.#ender.signal.aborted || scope.signal.aborted) throw callEnded();
    scope.countSubrequest();
    const key = `${space} ${addressOf(call)}`;
    if (call.method === "GET") return this.#match(key, call);
    if (call.method === "DELETE") {
      const kept = this.#find(key);
      if (kept !== undefined) this.#list.remove(kept);
      return answer(kept === undefined ? 404 : 204);
    }
    if (call.method !== "PUT") throw refused(`expected GET, PUT or DELETE, not ${call.method}`);
    await this.#put(key, space, call, scope);
    return answer(204);
  }

  async removeProject(project: string): Promise<void> {
    for (const kept of [...this.#byKey.values()]) if (kept.owner.startsWith(`${project}/`)) this.#list.remove(kept);
  }

  async close(): Promise<void> {
    this.#ender.abort();
    this.#byKey.clear();
  }

  #find(key: string): Kept | undefined {
    const kept = this.#byKey.get(key);
    if (kept === undefined || kept.expiresAt > this.#clock.wallNow()) return kept;
    this.#list.remove(kept);
    return undefined;
  }

  #match(key: string, { headers }: BindingCall): BindingAnswer {
    const kept = this.#find(key);
    if (kept === undefined) return answer(404);
    this.#list.used(kept);
    const age = Math.max(0, Math.floor((this.#clock.wallNow() - kept.storedAt) / 1000));
    const said: HeaderList = [...kept.headers, ["age", String(age)], ["cf-cache-status", "HIT"]];
    const { status, headers: chosen, body } = select({ ...kept, headers: said }, headers);
    return answer(200, [["head", encodeURIComponent(JSON.stringify([status, chosen]))]], body);
  }

  /** What is being put takes room of its space from its first byte on. */
  async #read(call: BindingCall, space: string, scope: CallScope): Promise<Uint8Array | undefined> {
    let isLost = false;
    const room = this.#list.reserve(space, () => {
      isLost = true;
    });
    try {
      const signal = AbortSignal.any([scope.signal, this.#ender.signal]);
      const body = await readBody(call, { signal }, room);
      return isLost ? undefined : body;
    } finally {
      room.end();
    }
  }

  async #put(key: string, space: string, call: BindingCall, scope: CallScope): Promise<void> {
    const { status, headers } = headOf(call);
    const body = await this.#read(call, space, scope);
    const storedAt = this.#clock.wallNow();
    const lifeMs = lifetimeMs(headers, storedAt);
    const before = this.#find(key);
    if (before !== undefined) this.#list.remove(before);
    if (lifeMs <= 0 || body === undefined || this.#ender.signal.aborted) return;
    const headerBytes = headers.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
    const bytes = ENTRY_BYTES + key.length + headerBytes + body.length;
    const ends = { older: undefined, newer: undefined };
    const kept: Kept = {
      ...ends,
      owner: space,
      bytes,
      key,
      status,
      headers,
      body,
      storedAt,
      expiresAt: storedAt + lifeMs,
    };
    this.#byKey.set(key, kept);
    this.#list.add(kept);
  }
}

/** What the guest's half calls a cache: no other text, so that no key can be read as another space's. */
const NAME = /^(default|n:[A-Za-z0-9%._~!*'()-]*)$/;

/** The cache's name and the whole address. @throws {IsopodError} `bad_request` */
function addressOf({ url }: BindingCall): string {
  const { urlBytesMax, nameBytesMax } = CACHE_API_LIMITS;
  const [, name = "", asked = ""] = /^\/([^?]*)\?(.*)$/s.exec(url) ?? [];
  if (Buffer.byteLength(url) > urlBytesMax + nameBytesMax)
    throw refused(`expected an address of at most ${urlBytesMax} bytes`);
  if (!NAME.test(name)) throw refused("expected the name of a cache");
  if (!/^https?:\/\//.test(asked) || !URL.canParse(asked))
    throw refused("expected an address that begins with http:// or https://");
  return `${name} ${asked}`;
}

/** @throws {IsopodError} `bad_request` */
function headOf(call: BindingCall): { readonly status: number; readonly headers: HeaderList } {
  const text = headerOf(call.headers, "head") ?? "";
  if (text.length > CACHE_API_LIMITS.headersBytesMax * 3) throw refused("the headers are too long");
  let head: unknown;
  try {
    head = JSON.parse(decodeURIComponent(text));
  } catch {
    throw refused("expected status and headers");
  }
  const [status, headers] = Array.isArray(head) ? (head as unknown[]) : [];
  const isPair = (pair: unknown) =>
    Array.isArray(pair) && pair.length === 2 && pair.every((each) => typeof each === "string");
  if (typeof status !== "number" || status < 200 || status > 599 || !Array.isArray(headers) || !headers.every(isPair)) {
    throw refused("expected status and headers");
  }
  const list = headers as HeaderList;
  if (status === 206) throw refused("an answer with a part of a body is not for keeping");
  if (headerOf(list, "vary")?.includes("*")) throw refused("an answer that varies by everything is not for keeping");
  if (headerOf(list, "set-cookie") === undefined) return { status, headers: list };
  const isTakenOut = /private\s*=\s*"?set-cookie/i.test(headerOf(list, "cache-control") ?? "");
  const without = list.filter(([each]) => each.toLowerCase() !== "set-cookie");
  return { status, headers: isTakenOut ? without : [["cache-control", "no-store"]] };
}

function answer(status: number, headers: HeaderList = [], body: Body = null): BindingAnswer {
  return { status, headers, body, url: "", redirected: false };
}

function refused(why: string): IsopodError {
  return new IsopodError("bad_request", { message: `Cannot use the cache: ${why}` });
}
