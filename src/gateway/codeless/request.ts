/**
 * Reads a request to the codeless endpoint into what is to be run, whatever form it came in.
 *
 * `POST {path}` carries the program: raw, in a JSON envelope or as multipart. `{path}/<host>/<path>` and
 * `{path}/sha256-<hex>` name it; a POST's body is then the program's input and is left unread. The query always
 * belongs to the program's own URL, except for `integrity`: it is never part of a source's address (an envelope's
 * `url` may hold one). What a body says goes before what a header says. Whether a caller may run the program is not
 * decided here, nor is anything fetched.
 */
import { IsopodError } from "../../core/errors.ts";
import type { Body } from "../../core/invocation.ts";
import type { Limits } from "../../core/limits.ts";
import { readBytes } from "../body_bytes.ts";
import { isHash } from "../sources/integrity.ts";
import { type CodelessBounds, readEnvelope, readForm } from "./body.ts";
import { type CodelessHeaders, readCodelessHeaders } from "./headers.ts";
import type { CodelessSource } from "./settings.ts";
import { readQuery, splitUrl } from "./url.ts";

/** A request to run a program, in one form. */
export interface CodelessRequest {
  readonly source: CodelessSource;
  /** `ctx.args` as JSON text. */
  readonly argsJson: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly input: Body;
  /** Content type of `input`. */
  readonly inputType: string | undefined;
  /** What the caller asks for; the plan's limits stand above them. */
  readonly limits: Partial<Limits>;
  /** `sha256-<hex>` that the program's bytes must have. */
  readonly integrity: string | undefined;
  /** Whether the answer is to be `text/event-stream`. */
  readonly events: boolean;
  /** How a module is to be spoken to; by what it imports and exports when left out. */
  readonly abi: CodelessHeaders["abi"];
  /** What the program is to run in: a page, or what its kind runs in when left out. */
  readonly engine: "browser" | undefined;
  /** The URL that the program sees: the request's, without `integrity`. */
  readonly programUrl: string;
}

/** The request, as far as it is read here; a `Request` is one. */
export interface CodelessHead {
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Headers;
  readonly body: ReadableStream<Uint8Array> | null;
  /** How long a MiB of the body may take, in milliseconds; no bound when left out. */
  readonly bodyIdleMs?: number | undefined;
  bytes(): Promise<Uint8Array>;
}

/** How the endpoint is configured. */
export interface CodelessOptions extends CodelessBounds {
  /** `codeless.path`, such as `/run` or `/`. */
  readonly path: string;
}

/** The least that fits a request which carries code and nothing else worth counting. */
const ENVELOPE_EXTRA_BYTES = 256 * 1024;
const WASM = "application/wasm";
const JAVASCRIPT = /^(text|application)\/(x-)?(javascript|ecmascript|jsx)$/;

/**
 * What stands in `pathname` below the endpoint, without the slash between: empty for the endpoint itself, undefined
 * when the request is not for it.
 */
export function codelessRest(pathname: string, codelessPath: string): string | undefined {
  const base = codelessPath.endsWith("/") ? codelessPath.slice(0, -1) : codelessPath;
  if (!pathname.startsWith(base)) return undefined;
  if (pathname.length === base.length) return "";
  return pathname.charCodeAt(base.length) === 47 ? pathname.slice(base.length + 1) : undefined;
}

/**
 * Reads `head`.
 * @throws {IsopodError} `bad_request`, `method_not_allowed`, `code_too_large`, `body_too_large`, `not_found` when the
 * path is not the endpoint's.
 */
export async function parseCodelessRequest(head: CodelessHead, options: CodelessOptions): Promise<CodelessRequest> {
  const { pathname, query, bare } = splitUrl(head.url);
  const rest = codelessRest(pathname, options.path);
  if (rest === undefined) throw new IsopodError("not_found");
  const headers = readCodelessHeaders(head.headers);
  const { programUrl, integrity, engine = headers.engine } = readQuery(bare, query);
  const base = { ...headers, engine, integrity: oneIntegrity(headers.integrity, integrity), programUrl };
  if (rest !== "") return { ...base, ...namedSource(head, rest), limits: {} };
  if (head.method !== "POST") {
    throw new IsopodError("method_not_allowed", {
      message: `Cannot ${head.method.slice(0, 32)} ${pathname}: send the program with POST, or name a source below the path.`,
      allow: ["POST"],
    });
  }
  return sentProgram(head, options, base);
}

/** What both ask for; bytes that were to have two hashes are a mistake, and neither must win over the other. */
function oneIntegrity(first: string | undefined, second: string | undefined): string | undefined {
  if (first !== undefined && second !== undefined && first !== second) {
    badRequest(`Cannot read integrity: ${first} and ${second} are both asked for`);
  }
  return first ?? second;
}

type Base = CodelessHeaders & Pick<CodelessRequest, "programUrl">;

/** A program that is named by the path. */
function namedSource(head: CodelessHead, rest: string): Pick<CodelessRequest, "source" | "input" | "inputType"> {
  if (head.method !== "GET" && head.method !== "HEAD" && head.method !== "POST") {
    throw new IsopodError("method_not_allowed", {
      message: `Cannot ${head.method.slice(0, 32)} a source: use GET, or POST with the program's input.`,
      allow: ["GET", "HEAD", "POST"],
    });
  }
  const source = sourceOfPath(rest);
  if (head.method !== "POST") return { source, input: null, inputType: undefined };
  return { source, input: head.body, inputType: head.headers.get("content-type") ?? undefined };
}

function sourceOfPath(rest: string): CodelessSource {
  if (rest.startsWith("sha256-")) {
    const hash = rest.toLowerCase();
    if (isHash(hash)) return { kind: "hash", hash };
    return badRequest(`Cannot read hash "${rest.slice(0, 100)}": expected sha256- and 64 hex digits`);
  }
  if (/^https?:/i.test(rest)) {
    return badRequest(`Cannot read source "${rest.slice(0, 100)}": expected a host and a path, without a scheme`);
  }
  if (!/^[^/]+\/./.test(rest)) {
    return badRequest(
      `Cannot read source "${rest.slice(0, 100)}": expected a host and a path, such as example.org/hello.ts`,
    );
  }
  return { kind: "url", url: `//${rest}` };
}

/** A program that is in the body, or named in an envelope. */
async function sentProgram(head: CodelessHead, options: CodelessOptions, base: Base): Promise<CodelessRequest> {
  const encoding = head.headers.get("content-encoding");
  if (encoding !== null && encoding.toLowerCase() !== "identity") {
    badRequest(`Cannot read the program: content encoding "${encoding.slice(0, 32)}" is not supported`);
  }
  const contentType = head.headers.get("content-type") ?? "";
  const type = (contentType.split(";", 1)[0] ?? "").trim().toLowerCase();
  if (type === "application/json" || type === "multipart/form-data") {
    const bytes = await readBytes(head, {
      max: options.codeBytesMax + options.bodyBytesMax + ENVELOPE_EXTRA_BYTES,
      code: "body_too_large",
      idleMs: head.bodyIdleMs,
    });
    const said =
      type === "application/json" ? readEnvelope(bytes, options) : await readForm(bytes, contentType, options);
    return {
      source: said.source,
      argsJson: said.argsJson ?? base.argsJson,
      env: { ...base.env, ...said.env },
      input: said.input,
      inputType: said.inputType,
      limits: said.limits,
      integrity: oneIntegrity(said.integrity, base.integrity),
      engine: said.engine ?? base.engine,
      events: base.events,
      abi: base.abi,
      programUrl: base.programUrl,
    };
  }
  const bytes = await readBytes(head, { max: options.codeBytesMax, code: "code_too_large", idleMs: head.bodyIdleMs });
  if (bytes.length === 0) badRequest("Cannot read the program: the body is empty");
  if (type === WASM) {
    return { ...base, source: { kind: "module", bytes }, input: null, inputType: undefined, limits: {} };
  }
  const language = JAVASCRIPT.test(type) ? "javascript" : "typescript";
  return {
    ...base,
    source: { kind: "code", code: decodeCode(bytes), language },
    input: null,
    inputType: undefined,
    limits: {},
  };
}

function decodeCode(bytes: Uint8Array): string {
  try {
    // A mark at the beginning is kept, so that the text has the hash of its bytes.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return badRequest("Cannot read the program: it is not UTF-8");
  }
}

function badRequest(message: string): never {
  throw new IsopodError("bad_request", { message: `${message}.` });
}
