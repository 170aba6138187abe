/** `fields` of `wasi:http/types`: the headers of a request or an answer. */
import { Failure } from "./lifetime.ts";

type Entry = [name: string, value: Uint8Array];

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const UNSAFE = /[\0\r\n]/;
const ENTRIES_MAX = 1000;
/** Those of the connection, which is not a component's; as wasmtime has it. */
const FORBIDDEN = new Set(
  "connection keep-alive proxy-authenticate proxy-authorization proxy-connection transfer-encoding upgrade host http2-settings".split(
    " ",
  ),
);

/** Headers. */
export class Fields {
  #entries: Entry[] = [];
  #isImmutable = false;

  /** Those of a message that has come. */
  static received(headers: Headers): Fields {
    const fields = new Fields();
    for (const [name, value] of headers) fields.#entries.push([name, bytesOf(value)]);
    fields.#isImmutable = true;
    return fields;
  }

  static fromList(entries: readonly Entry[]): Fields {
    const fields = new Fields();
    for (const [name, value] of entries) fields.append(name, value);
    return fields;
  }

  get(name: string): Uint8Array[] {
    const wanted = name.toLowerCase();
    return this.#entries.flatMap(([each, value]) => (each.toLowerCase() === wanted ? [value] : []));
  }

  has(name: string): boolean {
    return this.get(name).length > 0;
  }

  set(name: string, values: readonly Uint8Array[]): void {
    for (const value of values) this.#check(name, value);
    this.delete(name);
    for (const value of values) this.append(name, value);
  }

  delete(name: string): void {
    this.#check(name);
    const unwanted = name.toLowerCase();
    this.#entries = this.#entries.filter(([each]) => each.toLowerCase() !== unwanted);
  }

  append(name: string, value: Uint8Array): void {
    this.#check(name, value);
    if (this.#entries.length >= ENTRIES_MAX) throw new Failure({ tag: "forbidden" });
    this.#entries.push([name, value]);
  }

  entries(): Entry[] {
    return this.#entries.map(([name, value]) => [name, value]);
  }

  clone(): Fields {
    const copy = new Fields();
    copy.#entries = this.entries();
    return copy;
  }

  /** No more changes: it is of a message now. */
  seal(): this {
    this.#isImmutable = true;
    return this;
  }

  /** As the platform has them. */
  toHeaders(): Headers {
    const headers = new Headers();
    for (const [name, value] of this.#entries) headers.append(name, textOf(value));
    return headers;
  }

  #check(name: string, value?: Uint8Array): void {
    if (!TOKEN.test(name) || (value !== undefined && UNSAFE.test(textOf(value)))) {
      throw new Failure({ tag: "invalid-syntax" });
    }
    if (this.#isImmutable) throw new Failure({ tag: "immutable" });
    if (FORBIDDEN.has(name.toLowerCase())) throw new Failure({ tag: "forbidden" });
  }
}

/** A value is bytes, and a text of the platform has one in each character. */
function textOf(value: Uint8Array): string {
  let text = "";
  for (const byte of value) text += String.fromCharCode(byte);
  return text;
}

function bytesOf(value: string): Uint8Array {
  const bytes = Uint8Array.from(value, (each) => each.charCodeAt(0));
  return textOf(bytes) === value ? bytes : new TextEncoder().encode(value);
}
