/**
 * Answers requests for static files, without an instance: types, validators, ranges, encodings (RFC 9110).
 *
 * GET and HEAD alone: every other method is the function's.
 */
import mime from "mime";
import type { Asset, AssetFolder } from "../../core/assets.ts";
import { IsopodError } from "../../core/errors.ts";
import type { HeaderList } from "../../core/invocation.ts";
import { judge, rangeOf } from "./conditions.ts";
import { AssetEncodings } from "./encodings.ts";

/** What is asked for. */
export interface AssetRequest {
  readonly method: string;
  readonly headers: { get(name: string): string | null };
  /** Decoded, without a slash at its beginning: what the route's `*` stands for, or the whole path. */
  readonly path: string;
  /** The address's path, as it was sent. */
  readonly urlPath: string;
  /** With its `?`; empty when there is none. */
  readonly query: string;
}

/** What is sent. */
export interface AssetAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  /** null for HEAD and for what has none. */
  readonly body: Uint8Array<ArrayBuffer> | Blob | null;
  /** How many bytes of it are sent. */
  readonly bytes: number;
}

const INDEX = "index.html";
const NOT_FOUND_PAGE = "404.html";
/** Clients ask each time whether theirs is current: what a function is made of changes at once with a deploy. */
const CACHE_CONTROL = "public, max-age=0, must-revalidate";
const TEXT = /^text\/|^application\/(json|javascript|xml|manifest\+json)$|^image\/svg/;
const NAMELESS = "application/octet-stream";

/** Answers by the static files of functions. */
export class AssetAnswers {
  readonly #encodings = new AssetEncodings();

  /**
   * The answer; undefined when the function is to answer.
   * @throws {IsopodError} `not_found` where the folder says that nothing else answers
   */
  async answer(folder: AssetFolder, request: AssetRequest): Promise<AssetAnswer | undefined> {
    if (request.method !== "GET" && request.method !== "HEAD") return undefined;
    const { path, urlPath } = request;
    const isFolder = path === "" || path.endsWith("/");
    const asset = await folder.find(isFolder ? path + INDEX : path);
    if (asset !== undefined) {
      return path === "" && !urlPath.endsWith("/") ? redirect(request) : await this.#send(folder, asset, request, 200);
    }
    if (!isFolder && (await folder.find(`${path}/${INDEX}`)) !== undefined) return redirect(request);
    return await this.#fallBack(folder, request);
  }

  async #fallBack(folder: AssetFolder, request: AssetRequest): Promise<AssetAnswer | undefined> {
    const { fallback } = folder;
    if (fallback === "function") return undefined;
    if (fallback === "404") {
      const page = await folder.find(NOT_FOUND_PAGE);
      if (page !== undefined) return await this.#send(folder, page, request, 404);
      throw new IsopodError("not_found", { message: `Nothing answers at ${request.urlPath.slice(0, 200)}.` });
    }
    const page = takesPage(request) ? await folder.find(INDEX) : undefined;
    return page && (await this.#send(folder, page, request, 200));
  }

  async #send(folder: AssetFolder, asset: Asset, request: AssetRequest, status: number): Promise<AssetAnswer> {
    const { headers, method } = request;
    const type = mime.getType(asset.path) ?? NAMELESS;
    const plain = { etag: `"${asset.tag}"`, modifiedAt: asset.modifiedAt };
    const range = method === "GET" && status === 200 ? rangeOf(headers, plain, asset.bytes) : undefined;
    const varies = this.#encodings.varies(type, asset);
    const encoded =
      varies && range === undefined
        ? await this.#encodings.choose(folder, asset, headers.get("accept-encoding"))
        : undefined;
    const sent = encoded?.asset ?? asset;
    const validators = { etag: `"${sent.tag}"`, modifiedAt: asset.modifiedAt };
    const said: [string, string][] = [
      ["etag", validators.etag],
      ["last-modified", new Date(asset.modifiedAt).toUTCString()],
      ["cache-control", CACHE_CONTROL],
      ["accept-ranges", "bytes"],
    ];
    if (varies) said.push(["vary", "accept-encoding"]);
    const verdict = status === 200 ? judge(headers, validators) : "send";
    if (verdict === "not modified") return bare(304, said);
    if (verdict === "failed") return bare(412, said);
    if (range === "none") return bare(416, [...said, ["content-range", `bytes */${asset.bytes}`]]);
    said.push(["content-type", TEXT.test(type) ? `${type}; charset=utf-8` : type]);
    said.push(["x-content-type-options", "nosniff"]);
    if (encoded !== undefined) said.push(["content-encoding", encoded.encoding]);
    const { start, end } = range ?? { start: 0, end: sent.bytes };
    if (range !== undefined) said.push(["content-range", `bytes ${start}-${end - 1}/${sent.bytes}`]);
    said.push(["content-length", String(end - start)]);
    if (method === "HEAD") return { status, headers: said, body: null, bytes: 0 };
    const body = await sent.body(start, end);
    // Bun would name the file by the path that it has been given.
    if (body instanceof Blob) said.push(["content-disposition", "inline"]);
    return { status: range === undefined ? status : 206, headers: said, body, bytes: end - start };
  }
}

/** A folder's address ends with a slash, or what its page names would be looked for beside it. */
function redirect({ urlPath, query }: AssetRequest): AssetAnswer {
  // Relative: a path that began with "//" would be another host's address.
  return bare(307, [["location", `./${urlPath.slice(urlPath.lastIndexOf("/") + 1)}/${query}`]]);
}

function bare(status: number, headers: HeaderList): AssetAnswer {
  return { status, headers, body: null, bytes: 0 };
}

/** Whether a client would show a page. */
function takesPage({ headers }: AssetRequest): boolean {
  return /\btext\/html\b/i.test(headers.get("accept")?.slice(0, 1000) ?? "");
}
