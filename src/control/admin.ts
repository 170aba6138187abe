/**
 * The admin listener: health, metrics, logs, what became of an invocation, pins, the server's state.
 *
 * Requests that change something need the token that lies in the data directory; pins also take a key that may pin. Requests that only read are open on
 * a loopback address, and need it elsewhere. Web pages get nowhere: Host and Origin are checked before anything else.
 */
import { timingSafeEqual } from "node:crypto";
import { type Context, Hono } from "hono";
import { z } from "zod";
import { errorBody, IsopodError, toIsopodError } from "../core/errors.ts";
import type { Language } from "../core/function.ts";
import { hashOf } from "../stdx/hash.ts";
import { type LogRouteParts, logRoutes, type QuietExchange } from "./admin_logs.ts";

/** What the admin API reaches. */
export interface AdminParts {
  /** The token, without which nothing is changed. */
  readonly token: string;
  /** Whether an API key, given by its hash, may pin programs. */
  mayPin(keyHash: string): boolean;
  readonly loopback: boolean;
  /** The text and type of `/metrics`. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
  /** What is remembered of an invocation. */
  invocation(requestId: string): unknown;
  /** The state of the server, for people and for `isopod doctor`. */
  status(): unknown;
  readonly logs: LogRouteParts;
  readonly pins: {
    pin(code: string, language: Language): Promise<string>;
    list(): readonly {
      readonly hash: string;
      readonly language: Language;
      readonly bytes: number;
      readonly pinnedAt: number;
    }[];
  };
}

/** A program to be pinned. */
const PIN = z.strictObject({
  code: z.string().min(1),
  language: z.enum(["typescript", "javascript"]).default("typescript"),
});

/** Creates the handler of the admin listener. */
export function createAdmin(
  parts: AdminParts,
): (request: Request, exchange: QuietExchange) => Response | Promise<Response> {
  const app = new Hono<{ Bindings: QuietExchange }>();
  app.use(async (context, next) => {
    checkSender(context, parts);
    await next();
  });
  app.onError((thrown, context) => problem(context, toIsopodError(thrown)));
  app.notFound((context) => problem(context, new IsopodError("not_found")));

  app.get("/healthz", (context) => context.text("ok\n"));
  app.get("/metrics", async (context) => {
    const { contentType, text } = await parts.metrics();
    return context.body(text, 200, { "content-type": contentType });
  });
  app.get("/status", (context) => context.json(parts.status()));
  app.get("/v1/status", (context) => context.json(parts.status()));
  app.get("/v1/invocations/:id", (context) => {
    const found = parts.invocation(context.req.param("id"));
    if (found === undefined) throw new IsopodError("not_found", { message: "No such invocation is remembered" });
    return context.json(found);
  });
  app.route("/v1/logs", logRoutes(parts.logs));
  app.get("/v1/pins", (context) => context.json({ pins: parts.pins.list() }));
  app.post("/v1/pins", async (context) => {
    const { code, language } = await readPin(context);
    return context.json({ hash: await parts.pins.pin(code, language) }, 201);
  });
  return (request, exchange) => app.fetch(request, exchange);
}

async function readPin(context: Context): Promise<z.infer<typeof PIN>> {
  const body = await context.req.json().catch(() => undefined);
  const parsed = PIN.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new IsopodError("bad_request", {
    message: `Cannot read the pin: ${issue?.path.join(".") || "body"}: ${issue?.message}`,
  });
}

/** @throws {IsopodError} `host_refused`, `origin_refused`, `unauthorized` */
function checkSender(context: Context, parts: AdminParts): void {
  const { req } = context;
  if (req.header("origin") !== undefined || !SAME_SITE.has(req.header("sec-fetch-site") ?? "none")) {
    throw new IsopodError("origin_refused");
  }
  if (parts.loopback && !LOOPBACK_HOST.test(req.header("host") ?? "")) throw new IsopodError("host_refused");
  if (req.path === "/healthz") return;
  if (parts.loopback && (req.method === "GET" || req.method === "HEAD")) return;
  const given = /^Bearer +(\S+)$/i.exec(req.header("authorization") ?? "")?.[1] ?? "";
  const pins = req.path === "/v1/pins" && given !== "" && parts.mayPin(hashOf(given));
  if (!pins && !equalTexts(given, parts.token)) {
    throw new IsopodError("unauthorized", {
      message: "The admin token is missing or wrong; it lies in the data directory",
    });
  }
}

const SAME_SITE = new Set(["none", "same-origin"]);
const LOOPBACK_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/i;

function equalTexts(first: string, second: string): boolean {
  const digest = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest();
  return timingSafeEqual(digest(first), digest(second));
}

/** An error as `application/problem+json` (RFC 9457), with the same `error` object as on the data plane. */
function problem(context: Context, error: IsopodError): Response {
  const body = errorBody(error, crypto.randomUUID());
  const text = JSON.stringify({ type: "about:blank", title: body.message, status: error.status, error: body });
  return context.body(text, error.status as 500, { "content-type": "application/problem+json" });
}
