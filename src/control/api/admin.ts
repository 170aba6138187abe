/**
 * The admin listener: health, metrics, logs, the server's state, the API under `/v1`, and AWS's Lambda API under its
 * dated paths.
 *
 * Nothing but `/healthz` is open without a credential, not on loopback either: the token that lies in the data directory,
 * or a key of a project for what its scopes allow there. Web pages get nowhere: Host and Origin are checked before
 * anything else.
 */
import { timingSafeEqual } from "node:crypto";
import { type Context, Hono } from "hono";
import { IsopodError, toIsopodError } from "../../core/errors.ts";
import type { KeyRecord } from "../../core/plan.ts";
import { hashOf } from "../../stdx/hash.ts";
import type { createLambdaApi } from "../lambda/lambda_api.ts";
import type { LambdaParts } from "../lambda/operation.ts";
import type { QuietExchange } from "./admin_logs.ts";
import { createApi } from "./api.ts";
import type { Principal } from "./endpoint.ts";
import type { ApiParts } from "./parts.ts";
import { problem } from "./router.ts";

/** What the admin listener reaches. */
export interface AdminParts extends ApiParts {
  /** What the Lambda API takes beside the rest. */
  readonly lambda: Pick<
    LambdaParts,
    "handlerSources" | "functions" | "invocations" | "admission" | "newRequestId" | "wallNow"
  >;
  /** The token, which opens everything. */
  readonly token: string;
  /** The keys of the configuration file. */
  fileKeys(): readonly KeyRecord[];
  readonly loopback: boolean;
  /** The text and type of `/metrics`. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** What of ours cannot be told to callers goes to the log. */
  report(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** Creates the handler of the admin listener. */
export function createAdmin(
  parts: AdminParts,
): (request: Request, exchange: QuietExchange) => Response | Promise<Response> {
  const app = new Hono<{ Bindings: QuietExchange }>();
  app.use(async (context, next) => {
    checkSender(context, parts);
    await next();
  });
  app.onError((thrown) => {
    const error = toIsopodError(thrown);
    if (error.kind === "system")
      parts.report("An admin request failed", { code: error.code, cause: String(error.details.cause) });
    return problem(error);
  });
  app.notFound((context) => {
    principalOf(context.req.raw, parts);
    return problem(new IsopodError("not_found", { message: `There is nothing at ${context.req.path.slice(0, 200)}` }));
  });
  app.get("/healthz", (context) => context.text("ok\n"));
  app.get("/metrics", async (context) => {
    checkServer(context, parts);
    const { contentType, text } = await parts.metrics();
    return context.body(text, 200, { "content-type": contentType });
  });
  app.get("/status", (context) => {
    checkServer(context, parts);
    return context.json(parts.status());
  });
  let lambda: Promise<ReturnType<typeof createLambdaApi>> | undefined;
  app.all("/:dated{\\d{4}-\\d{2}-\\d{2}}/*", async (context) => {
    lambda ??= openLambda(parts);
    return (await lambda)(context.req.raw, context.env);
  });
  app.route(
    "/",
    createApi(parts, (request) => principalOf(request, parts)),
  );
  return (request, exchange) => app.fetch(request, exchange);
}

/** Loaded when the first request for it comes: most servers have none. */
async function openLambda(parts: AdminParts): Promise<ReturnType<typeof createLambdaApi>> {
  const { createLambdaApi } = await import("../lambda/lambda_api.ts");
  const { plane, report } = parts;
  const principal = (request: Request) => principalOf(request, parts);
  return createLambdaApi({ ...parts.lambda, plane, report, principal, baseUrl: () => parts.baseUrl() });
}

/** Who calls, by the request's credential. @throws {IsopodError} `unauthorized` */
export function principalOf(request: Request, parts: Pick<AdminParts, "token" | "plane" | "fileKeys">): Principal {
  const given = /^Bearer +(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  if (given !== "" && equalTexts(given, parts.token)) {
    return { label: "token", project: undefined, scopes: ["admin"], mayPin: true, plan: undefined };
  }
  const key = given === "" ? undefined : parts.plane.keys.find(given);
  if (key !== undefined) {
    const { prefix, project, scopes, mayPin, plan } = key;
    return { label: prefix, project, scopes, mayPin, plan, keyHash: hashOf(given) };
  }
  // A key of the file opens nothing here but pinning.
  const mayPin = new URL(request.url).pathname === "/v1/pins" && request.method === "POST";
  const ofFile = mayPin ? parts.fileKeys().find(({ hash }) => hash === hashOf(given)) : undefined;
  if (ofFile?.mayPin === true)
    return { label: "key of the file", project: "", scopes: [], mayPin: true, plan: undefined };
  throw new IsopodError("unauthorized", {
    message: "The admin token is missing or wrong; it lies in the data directory. Keys of projects are taken as well.",
  });
}

function checkServer(context: Context, parts: AdminParts): void {
  if (principalOf(context.req.raw, parts).project === undefined) return;
  throw new IsopodError("forbidden", { message: "This takes the server's own token; a key is for its project." });
}

/** @throws {IsopodError} `host_refused`, `origin_refused` */
function checkSender({ req }: Context, parts: AdminParts): void {
  if (req.header("origin") !== undefined || !SAME_SITE.has(req.header("sec-fetch-site") ?? "none")) {
    throw new IsopodError("origin_refused");
  }
  if (parts.loopback && !LOOPBACK_HOST.test(req.header("host") ?? "")) throw new IsopodError("host_refused");
}

const SAME_SITE = new Set(["none", "same-origin"]);
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

function equalTexts(first: string, second: string): boolean {
  const digest = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest();
  return timingSafeEqual(digest(first), digest(second));
}
