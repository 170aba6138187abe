/**
 * A small router for functions: `app.router.get("/greet/:name", …)`, then `app.listen()` or `export default app`.
 *
 * Under Isopod it answers invocations, elsewhere it starts a local server, so that the same file is developed
 * anywhere. It holds no state of a request.
 */
import type { InvocationContext } from "../core/guest.ts";
import { type ListenOptions, type LocalServer, startLocalServer } from "./local_server.ts";
import { type Answer, type Matched, type RoutedRequest, Router } from "./router.ts";

/** Under this name a guest offers to take the application that its program serves. */
const OFFER = Symbol.for("isopod.application");

/** Answers when a handler threw. */
export type ErrorHandler<E> = (
  error: unknown,
  request: RoutedRequest<Readonly<Record<string, string>>, E>,
) => Answer | Promise<Answer>;

type Routed<E> = RoutedRequest<Readonly<Record<string, string>>, E>;

/**
 * An application of routes and middlewares.
 * @example
 * const app = new Application();
 * app.router.get("/greet/:name", (request) => Response.json(request.routeParameters));
 * app.listen(8000);
 */
export class Application<E = Readonly<Record<string, unknown>>> {
  readonly router: Router<E> = new Router<E>();
  #onError: ErrorHandler<E> = () => undefined;
  #onNotFound: (request: Routed<E>) => Answer | Promise<Answer> = () => undefined;

  /** Sets who answers when a handler threw; without an answer of it, the caller gets 500 and the console the error. */
  onError(handler: ErrorHandler<E>): this {
    this.#onError = handler;
    return this;
  }

  /** Sets who answers when no route does; without an answer of it, the caller gets 404, or 405 with `Allow`. */
  onNotFound(handler: (request: Routed<E>) => Answer | Promise<Answer>): this {
    this.#onNotFound = handler;
    return this;
  }

  /** Answers a request. Never rejects. Usable by itself, so that `export default app` and `app.fetch` are handlers. */
  readonly fetch = async (request: Request, env?: E, ctx?: InvocationContext): Promise<Response> => {
    const routed = Object.assign(request, { routeParameters: {}, env: env ?? {}, ctx: ctx ?? OUTSIDE }) as Routed<E>;
    const path = pathOf(request.url);
    const matched = this.#match(request.method, path);
    let response = await this.#guard(routed, () => this.#answer(routed, path, matched));
    for (const entry of matched) {
      if (entry.stage !== "after") continue;
      const answered = response;
      response = await this.#guard(routed, async () => (await run(entry, routed, answered)) ?? answered);
    }
    return request.method === "HEAD" && response.body !== null ? withoutBody(response) : response;
  };

  /**
   * Begins to answer: invocations under Isopod, elsewhere requests to a port.
   * @param port any free one when it is 0; 8000 when left out
   * @throws {Error} when nothing can listen there
   */
  async listen(port = 8000, options: ListenOptions<E> = {}): Promise<LocalServer> {
    const offer = (globalThis as { [OFFER]?: (app: Pick<Application<E>, "fetch">) => void })[OFFER];
    if (offer === undefined) return startLocalServer(port, options, (request) => this.fetch(request, options.env));
    offer(this);
    return { url: "", port: 0, close: async () => {} };
  }

  /** What a request meets; where no route is for HEAD itself, what GET would meet. */
  #match(method: string, path: string): readonly Matched<E>[] {
    const matched = this.router.match(method, path);
    if (method !== "HEAD" || matched.some((entry) => entry.method === "HEAD")) return matched;
    return this.router.match("GET", path);
  }

  async #answer(request: Routed<E>, path: string, matched: readonly Matched<E>[]): Promise<Response> {
    for (const entry of matched) {
      const response = entry.stage === "after" ? undefined : await run(entry, request);
      if (response !== undefined) return response;
    }
    const own = await this.#onNotFound(request);
    if (own != null) return own;
    const allow = this.router.methodsAt(path);
    if (allow.length === 0 || allow.includes(request.method)) return new Response("Not Found\n", { status: 404 });
    return new Response("Method Not Allowed\n", { status: 405, headers: { allow: allow.join(", ") } });
  }

  async #guard(request: Routed<E>, answer: () => Promise<Response>): Promise<Response> {
    try {
      return await answer();
    } catch (error) {
      return (await this.#recover(error, request)) ?? new Response("Internal Server Error\n", { status: 500 });
    }
  }

  /** What the error handler answers; an error of its own goes the same way as one that it does not answer. */
  async #recover(error: unknown, request: Routed<E>): Promise<Response | undefined> {
    let unanswered = error;
    try {
      const response = await this.#onError(error, request);
      if (response != null) return response;
    } catch (own) {
      unanswered = own;
    }
    console.error(unanswered);
    return undefined;
  }
}

/** Runs one handler. @throws {TypeError} when it gives what is no answer */
async function run<E>(entry: Matched<E>, request: Routed<E>, response?: Response): Promise<Response | undefined> {
  Object.assign(request, { routeParameters: entry.parameters });
  const handler = entry.run as (request: Routed<E>, response?: Response) => Answer | Promise<Answer>;
  const answer: unknown = await handler(request, response);
  if (answer === undefined || answer === null) return undefined;
  if (answer instanceof Response) return answer;
  throw new TypeError(
    `Cannot answer ${request.method} ${entry.path}: expected a Response or nothing from the handler, not ${typeof answer}`,
  );
}

async function withoutBody(response: Response): Promise<Response> {
  await response.body?.cancel();
  return new Response(null, response);
}

/** The path that is matched, with its escapes read but for those of `%` itself, which parameters keep. */
function pathOf(url: string): string {
  const { pathname } = new URL(url);
  if (!pathname.includes("%")) return pathname;
  try {
    return decodeURI(pathname.replaceAll("%25", "%2525"));
  } catch {
    return pathname;
  }
}

/** What handlers find as their invocation where there is none. */
const OUTSIDE: InvocationContext = {
  params: {},
  args: undefined,
  requestId: "",
  function: undefined,
  deadline: Number.POSITIVE_INFINITY,
  waitUntil: (promise) => void promise.catch((error: unknown) => console.error(error)),
};
