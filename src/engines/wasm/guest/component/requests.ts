/** Requests of `wasi:http/types`: the one that has come, and those that a component makes. */
import { failure, IncomingBody, OutgoingBody } from "./bodies.ts";
import { Fields } from "./fields.ts";
import type { Lifetime } from "./lifetime.ts";

/** A method or a scheme: one that has a name in WASI, or another one. */
export interface Named {
  readonly tag: string;
  readonly val?: string;
}

const METHODS = new Set(["get", "head", "post", "put", "delete", "connect", "options", "trace", "patch"]);
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/;

/** The request that a component is to answer. */
export class IncomingRequest {
  readonly #request: Request;
  readonly #url: URL;
  readonly #lifetime: Lifetime;
  #isTaken = false;

  constructor(lifetime: Lifetime, request: Request) {
    this.#lifetime = lifetime;
    this.#request = request;
    this.#url = new URL(request.url);
  }

  method(): Named {
    const name = this.#request.method.toLowerCase();
    return METHODS.has(name) ? { tag: name } : { tag: "other", val: this.#request.method };
  }

  pathWithQuery(): string {
    return this.#url.pathname + this.#url.search;
  }

  scheme(): Named {
    return { tag: this.#url.protocol === "https:" ? "HTTPS" : "HTTP" };
  }

  authority(): string {
    return this.#url.host;
  }

  headers(): Fields {
    return Fields.received(this.#request.headers);
  }

  consume(): IncomingBody {
    if (this.#isTaken) throw failure();
    this.#isTaken = true;
    return new IncomingBody(this.#lifetime, this.#request.body);
  }
}

/** A request that a component makes. */
export class OutgoingRequest {
  readonly #lifetime: Lifetime;
  readonly #headers: Fields;
  #method: Named = { tag: "get" };
  #path: string | undefined;
  #scheme: Named | undefined;
  #authority: string | undefined;
  /** Undefined when the component has not asked for one. */
  outgoingBody: OutgoingBody | undefined;

  constructor(headers: Fields, lifetime: Lifetime) {
    this.#headers = headers.seal();
    this.#lifetime = lifetime;
  }

  body(): OutgoingBody {
    if (this.outgoingBody !== undefined) throw failure();
    this.outgoingBody = new OutgoingBody(this.#lifetime, this.#headers);
    return this.outgoingBody;
  }

  method(): Named {
    return this.#method;
  }

  setMethod(method: Named): void {
    if (method.tag === "other" && !TOKEN.test(method.val ?? "")) throw failure();
    this.#method = method;
  }

  pathWithQuery(): string | undefined {
    return this.#path;
  }

  setPathWithQuery(path: string | undefined): void {
    if (path !== undefined && /[^!-~]|#/.test(path)) throw failure();
    this.#path = path;
  }

  scheme(): Named | undefined {
    return this.#scheme;
  }

  setScheme(scheme: Named | undefined): void {
    if (scheme?.tag === "other" && !/^[a-z][a-z0-9+.-]*$/i.test(scheme.val ?? "")) throw failure();
    this.#scheme = scheme;
  }

  authority(): string | undefined {
    return this.#authority;
  }

  setAuthority(authority: string | undefined): void {
    if (authority !== undefined && !/^[^\s/?#@\\]+$/.test(authority)) throw failure();
    this.#authority = authority;
  }

  headers(): Fields {
    return this.#headers;
  }

  /** Where it leads to; undefined when that is no address of HTTP. */
  get url(): URL | undefined {
    const { tag = "HTTPS" } = this.#scheme ?? {};
    if (this.#authority === undefined || (tag !== "HTTP" && tag !== "HTTPS")) return undefined;
    const path = this.#path ?? "/";
    const text = `${tag.toLowerCase()}://${this.#authority}${path.startsWith("/") ? path : `/${path}`}`;
    return URL.canParse(text) ? new URL(text) : undefined;
  }

  get methodName(): string {
    const { tag, val = "" } = this.#method;
    return tag === "other" ? val : tag.toUpperCase();
  }
}

/** How long a request may take. Only the time to the first byte can be set. */
export class RequestOptions {
  /** In nanoseconds. */
  firstByte: bigint | undefined;

  connectTimeout(): undefined {}

  setConnectTimeout(duration: bigint | undefined): void {
    if (duration !== undefined) throw failure();
  }

  firstByteTimeout(): bigint | undefined {
    return this.firstByte;
  }

  setFirstByteTimeout(duration: bigint | undefined): void {
    this.firstByte = duration;
  }

  betweenBytesTimeout(): undefined {}

  setBetweenBytesTimeout(duration: bigint | undefined): void {
    if (duration !== undefined) throw failure();
  }
}
