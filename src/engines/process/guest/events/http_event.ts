/**
 * HTTP as AWS hands it to functions, and back: the event of an API Gateway HTTP API and of a function URL, payload 2.0.
 *
 * Shapes are those of AWS's pages "Working with AWS Lambda proxy integrations for HTTP APIs" and "Invoking Lambda
 * function URLs". Values that only AWS has (account, domain prefix) stand as it writes them for nobody.
 */
import type { Pairs } from "../../../../wire/heads.ts";

/** A request, with its whole body. */
export interface HttpRequest {
  readonly requestId: string;
  readonly method: string;
  /** Absolute. */
  readonly url: string;
  readonly headers: Pairs;
  readonly params: Readonly<Record<string, string>> | undefined;
  readonly body: Uint8Array;
  /** Milliseconds since the Unix epoch at which it came. */
  readonly now: number;
}

/** An answer, with its whole body. */
export interface HttpResult {
  readonly status: number;
  readonly headers: [string, string][];
  readonly body: Uint8Array;
}

/** The program's result is none that can be sent; the message says why. */
export class EventError extends Error {
  override name = "EventError";
}

/** Types of bodies that are given as text, when they are UTF-8. Forms are not among them: AWS gives them in base64. */
const TEXT_TYPE = /^\s*(text\/|application\/([a-z0-9.+-]*\+)?(json|xml|javascript)\b)/i;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The event of a request. */
export function httpEvent(request: HttpRequest): Record<string, unknown> {
  const { pathname, search, host } = new URL(request.url);
  const rawQueryString = search.slice(1);
  const { headers, cookies } = foldHeaders(request.headers);
  const query = rawQueryString === "" ? {} : fold(new URLSearchParams(rawQueryString));
  const params = request.params ?? {};
  const path = decodePath(pathname);
  const [subdomain = ""] = host.split(".", 1);
  const { text, isBase64Encoded } = bodyText(request.body, headers["content-type"]);
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath: path,
    rawQueryString,
    ...(cookies.length > 0 && { cookies }),
    headers,
    ...(Object.keys(query).length > 0 && { queryStringParameters: query }),
    requestContext: {
      accountId: "anonymous",
      apiId: subdomain,
      domainName: host,
      domainPrefix: subdomain,
      http: {
        method: request.method,
        path,
        protocol: "HTTP/1.1",
        sourceIp: headers["x-forwarded-for"]?.split(",").at(-1)?.trim() ?? "127.0.0.1",
        userAgent: headers["user-agent"] ?? "",
      },
      requestId: request.requestId,
      routeKey: "$default",
      stage: "$default",
      time: logTime(request.now),
      timeEpoch: request.now,
    },
    ...(Object.keys(params).length > 0 && { pathParameters: { ...params } }),
    ...(text !== undefined && { body: text }),
    isBase64Encoded,
  };
}

/**
 * What a result means: an object with `statusCode` is an answer, anything else is the body of one with status 200.
 * @throws {EventError} when it is neither
 */
export function httpResult(json: string): HttpResult {
  const value = parse(json);
  const isAnswer = typeof value === "object" && value !== null && "statusCode" in value;
  if (!isAnswer) return { status: 200, headers: [["content-type", "application/json"]], body: Buffer.from(json) };
  const { statusCode, headers, multiValueHeaders, cookies, body, isBase64Encoded } = value as Record<string, unknown>;
  const answer = answerHead({ statusCode, headers, multiValueHeaders, cookies });
  if (body !== undefined && body !== null && typeof body !== "string" && typeof body !== "object") {
    throw new EventError("Cannot send the result: its body is no text");
  }
  const text = typeof body === "string" ? body : body === undefined || body === null ? "" : JSON.stringify(body);
  if (!answer.headers.some(([name]) => name === "content-type")) {
    answer.headers.push(["content-type", "application/json"]);
  }
  return { ...answer, body: Buffer.from(text, isBase64Encoded === true ? "base64" : "utf8") };
}

/** Status and headers as results and preludes of streams name them. @throws {EventError} */
export function answerHead(value: Readonly<Record<string, unknown>>): Pick<HttpResult, "status" | "headers"> {
  const status = value["statusCode"] === undefined ? 200 : Number(value["statusCode"]);
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw new EventError(`Cannot send the result: its statusCode is ${JSON.stringify(value["statusCode"])}`);
  }
  const headers: [string, string][] = [];
  const add = (name: string, each: unknown) => {
    if (!isHeader(name, each)) {
      throw new EventError(`Cannot send the result: its header ${JSON.stringify(name).slice(0, 100)} is none`);
    }
    headers.push([name.toLowerCase(), String(each)]);
  };
  for (const [name, one] of entriesOf(value["headers"])) {
    for (const each of Array.isArray(one) ? one : [one]) add(name, each);
  }
  for (const [name, many] of entriesOf(value["multiValueHeaders"])) {
    for (const each of Array.isArray(many) ? many : [many]) add(name, each);
  }
  for (const cookie of Array.isArray(value["cookies"]) ? value["cookies"] : []) add("set-cookie", cookie);
  return { status, headers };
}

function isHeader(name: string, value: unknown): boolean {
  const isPlain = typeof value === "string" || typeof value === "number" || typeof value === "boolean";
  return isPlain && /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/.test(name) && !/[\0\r\n]|[^\0-\xff]/.test(String(value));
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new EventError("Cannot read the program's result: it is not JSON");
  }
}

/** Names in lower case, values of one name joined by commas; cookies stand by themselves. */
function foldHeaders(pairs: Pairs): { headers: Record<string, string>; cookies: string[] } {
  const cookies: string[] = [];
  const others: [string, string][] = [];
  for (const [given, value] of pairs) {
    const name = given.toLowerCase();
    if (name === "cookie") cookies.push(...value.split(/;\s*/).filter((one) => one !== ""));
    else others.push([name, value]);
  }
  return { headers: fold(others), cookies };
}

/** Values of one name joined by commas. By way of a map, since names may be those of every object's members. */
function fold(pairs: Iterable<readonly [string, string]>): Record<string, string> {
  const folded = new Map<string, string>();
  for (const [name, value] of pairs) {
    const before = folded.get(name);
    folded.set(name, before === undefined ? value : `${before},${value}`);
  }
  return Object.fromEntries(folded);
}

/** A body as text or in base64; nothing when there is none. */
export function bodyText(
  body: Uint8Array,
  contentType: string | undefined,
): { readonly text: string | undefined; readonly isBase64Encoded: boolean } {
  if (body.length === 0) return { text: undefined, isBase64Encoded: false };
  if (contentType === undefined || TEXT_TYPE.test(contentType)) {
    try {
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body), isBase64Encoded: false };
    } catch {
      // Not the text that it says it is.
    }
  }
  return { text: Buffer.from(body).toString("base64"), isBase64Encoded: true };
}

function decodePath(path: string): string {
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** As in the common log format: `12/Mar/2020:19:03:58 +0000`. */
function logTime(now: number): string {
  const date = new Date(now);
  const two = (number: number) => String(number).padStart(2, "0");
  const day = `${two(date.getUTCDate())}/${MONTHS[date.getUTCMonth()]}/${date.getUTCFullYear()}`;
  return `${day}:${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())} +0000`;
}
