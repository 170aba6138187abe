/** Calls of KV bindings. */
import type { Word } from "../guest_memory.ts";
import type { HostInvocation } from "./host_invocation.ts";
import { objectIn } from "./json.ts";

interface Namespace {
  get(key: string, type: "bytes"): Promise<Uint8Array | null>;
  put(key: string, value: Uint8Array, options: object): Promise<unknown>;
  delete(key: string): Promise<void>;
  list(options: object): Promise<object>;
}

/** The calls. */
export class KvCalls {
  readonly #invocation: HostInvocation;

  constructor(invocation: HostInvocation) {
    this.#invocation = invocation;
  }

  kv_get(name: Word, nameSize: Word, key: Word, keySize: Word, pointer: Word, size: Word): Promise<bigint> {
    const called = this.#text("kv_get", name, nameSize);
    const text = this.#text("kv_get", key, keySize);
    return this.#invocation.giveLater("kv_get", pointer, size, async () => {
      return (await this.#namespace(called).get(text, "bytes")) ?? undefined;
    });
  }

  /** @param ttl in seconds; 0 for no end */
  kv_put(
    name: Word,
    nameSize: Word,
    key: Word,
    keySize: Word,
    value: Word,
    valueSize: Word,
    ttl: Word,
  ): Promise<number> {
    const called = this.#text("kv_put", name, nameSize);
    const text = this.#text("kv_put", key, keySize);
    const bytes = this.#invocation.memory.view("kv_put", value, valueSize).slice();
    const options = Number(ttl) === 0 ? {} : { expirationTtl: Number(ttl) };
    return this.#invocation.doLater("kv_put", async () => this.#namespace(called).put(text, bytes, options));
  }

  kv_delete(name: Word, nameSize: Word, key: Word, keySize: Word): Promise<number> {
    const called = this.#text("kv_delete", name, nameSize);
    const text = this.#text("kv_delete", key, keySize);
    return this.#invocation.doLater("kv_delete", async () => this.#namespace(called).delete(text));
  }

  kv_list(name: Word, nameSize: Word, options: Word, optionsSize: Word, pointer: Word, size: Word): Promise<bigint> {
    const called = this.#text("kv_list", name, nameSize);
    const json = this.#text("kv_list", options, optionsSize);
    return this.#invocation.giveLater("kv_list", pointer, size, async () => {
      return JSON.stringify(await this.#namespace(called).list(objectIn(json)));
    });
  }

  #text(action: string, pointer: Word, size: Word): string {
    return this.#invocation.memory.text(action, pointer, size);
  }

  #namespace(name: string): Namespace {
    return this.#invocation.binding("kv", "getWithMetadata", name);
  }
}
