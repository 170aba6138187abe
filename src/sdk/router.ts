/**
 * Routes of an application: which handlers a request meets, in the order in which they were added.
 *
 * Matching is Hono's. A router is written to until its first request, and only read from then on.
 */
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";
import type { InvocationContext } from "../core/guest.ts";
import { type RouteParameters, readParameters } from "./route_parameters.ts";

/** A request as handlers see it: the standard one, with what its route and its invocation add. */
export type RoutedRequest<P = Readonly<Record<string, string>>, E = unknown> = Request & {
  /** What the names in the route's path stand for. */
  readonly routeParameters: P;
  /** Variables and bindings; empty outside of Isopod unless `listen` was given some. */
  readonly env: E;
  readonly ctx: InvocationContext;
};

/** What a handler may give: the answer, or nothing, for whoever comes after it to answer. */
export type Answer = Response | null | undefined;

/** Answers a request, or leaves it to whoever comes after. */
export type RouteHandler<P = Readonly<Record<string, string>>, E = unknown> = (
  request: RoutedRequest<P, E>,
) => Answer | Promise<Answer>;

/** Sees what was answered, errors included, and may answer otherwise. */
export type AfterHandler<E = unknown> = (
  request: RoutedRequest<Parameters, E>,
  response: Response,
) => Answer | Promise<Answer>;

/** Whatever answers requests: another application, of Hono or itty-router for example. */
export interface Mountable {
  fetch(request: Request, ...rest: unknown[]): Response | Promise<Response>;
}

type Parameters = Readonly<Record<string, string>>;
type Stage = "route" | "before" | "after";

interface Entry<E> {
  readonly stage: Stage;
  readonly method: string;
  readonly path: string;
  readonly run: RouteHandler<Parameters, E> | AfterHandler<E>;
}

/** A handler that matched, with its parameters. */
export interface Matched<E> extends Entry<E> {
  readonly parameters: Readonly<Record<string, string>>;
}

/** Adds a handler for one method. */
type Add<E> = <Path extends string>(path: Path, ...handlers: RouteHandler<RouteParameters<Path>, E>[]) => Router<E>;

const ALL = "ALL";

/** A set of routes: an application's, or one to be mounted into another. */
export class Router<E = unknown> {
  readonly #entries: (Entry<E> | { readonly prefix: string; readonly router: Router<E> })[] = [];
  readonly #methods = new Set<string>();
  #matcher: SmartRouter<Entry<E>> | undefined;

  readonly get: Add<E> = (path, ...handlers) => this.on("GET", path, ...handlers);
  readonly post: Add<E> = (path, ...handlers) => this.on("POST", path, ...handlers);
  readonly put: Add<E> = (path, ...handlers) => this.on("PUT", path, ...handlers);
  readonly patch: Add<E> = (path, ...handlers) => this.on("PATCH", path, ...handlers);
  readonly delete: Add<E> = (path, ...handlers) => this.on("DELETE", path, ...handlers);
  readonly head: Add<E> = (path, ...handlers) => this.on("HEAD", path, ...handlers);
  readonly options: Add<E> = (path, ...handlers) => this.on("OPTIONS", path, ...handlers);
  readonly all: Add<E> = (path, ...handlers) => this.on(ALL, path, ...handlers);

  /** Adds handlers for a method; the first that gives an answer has the last word. */
  on<Path extends string>(method: string, path: Path, ...handlers: RouteHandler<RouteParameters<Path>, E>[]): this {
    for (const run of handlers) this.#add("route", method.toUpperCase(), path, run as RouteHandler<Parameters, E>);
    return this;
  }

  /**
   * Adds middlewares: they see every request under `path` (all of them when it is left out) that nothing before them
   * has answered, and may answer it.
   */
  use(...middlewares: RouteHandler<Parameters, E>[]): this;
  use(path: string, ...middlewares: RouteHandler<Parameters, E>[]): this;
  use(...given: (string | RouteHandler<Parameters, E>)[]): this {
    const path = typeof given[0] === "string" ? given[0] : "*";
    for (const run of given) if (typeof run !== "string") this.#add("before", ALL, path, run);
    return this;
  }

  /** Adds middlewares that see what was answered, whoever answered it. */
  after(...middlewares: AfterHandler<E>[]): this;
  after(path: string, ...middlewares: AfterHandler<E>[]): this;
  after(...given: (string | AfterHandler<E>)[]): this {
    const path = typeof given[0] === "string" ? given[0] : "*";
    for (const run of given) if (typeof run !== "string") this.#add("after", ALL, path, run);
    return this;
  }

  /** Puts another router, or another application, under `prefix`; an application sees paths without it. */
  mount(prefix: string, mounted: Router<E> | Mountable): this {
    const below = prefix.replace(/\/$/, "");
    if (mounted instanceof Router) {
      this.#checkOpen(`${below}/*`);
      this.#entries.push({ prefix: below, router: mounted });
      return this;
    }
    return this.on(ALL, `${below}/*`, (request) => {
      const url = new URL(request.url);
      url.pathname = url.pathname.split("/").slice(below.split("/").length).join("/");
      return mounted.fetch(new Request(url.href, request), request.env, request.ctx);
    });
  }

  /** Everything that a request meets, in order. */
  match(method: string, path: string): Matched<E>[] {
    const [found, stash] = this.#built().match(method, path);
    return found.map(([entry, parameters]) => ({ ...entry, parameters: readParameters(parameters, stash) }));
  }

  /** The methods for which a route answers at `path`. */
  methodsAt(path: string): string[] {
    this.#built();
    const answers = (method: string) =>
      this.match(method, path).some((entry) => entry.stage === "route" && entry.method === method);
    const methods = [...this.#methods].filter((method) => method !== ALL && answers(method));
    return methods.includes("GET") && !methods.includes("HEAD") ? [...methods, "HEAD"] : methods;
  }

  #add(stage: Stage, method: string, path: string, run: Entry<E>["run"]): void {
    this.#checkOpen(path);
    if (typeof run !== "function") throw new TypeError(`Cannot add ${path}: expected a function, not ${typeof run}`);
    this.#entries.push({ stage, method, path, run });
  }

  #checkOpen(path: string): void {
    if (this.#matcher !== undefined) throw new Error(`Cannot add ${path}: the application has begun to answer`);
  }

  #built(): SmartRouter<Entry<E>> {
    if (this.#matcher !== undefined) return this.#matcher;
    const matcher = new SmartRouter<Entry<E>>({ routers: [new RegExpRouter(), new TrieRouter()] });
    this.#matcher = matcher;
    for (const entry of this.#flat("")) {
      this.#methods.add(entry.method);
      matcher.add(entry.method, entry.path, entry);
    }
    return matcher;
  }

  #flat(prefix: string): Entry<E>[] {
    return this.#entries.flatMap((entry) => {
      if ("router" in entry) return entry.router.#mounted(prefix + entry.prefix);
      const path = entry.path.startsWith("/") ? entry.path : `/${entry.path}`;
      return [{ ...entry, path: path === "/" && prefix !== "" ? prefix : prefix + path }];
    });
  }

  /** The routes under a prefix; from here on they are fixed as those of the router above are. */
  #mounted(prefix: string): Entry<E>[] {
    this.#built();
    return this.#flat(prefix);
  }
}
