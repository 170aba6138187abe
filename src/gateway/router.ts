/**
 * Finds the target of a request by its host, method and path.
 *
 * One radix router (rou3) for each host that routes name: the exact host first, then the longest `*.` pattern, then
 * the routes without a host; a less specific host answers when nothing matches in a more specific one. Within one
 * host a static segment goes before a parameter, a parameter before `*`; a named method before ANY at the same path.
 * HEAD is answered by what answers GET. As in rou3, one slash at the end of a path makes no difference.
 * A new snapshot of routes is a new router, or the one of before extended by what has come.
 */
import { addRoute, createRouter as createTree, findRoute, type RouterContext, routeNodeKeys } from "rou3";
import { NO_PARAMS } from "../core/invocation.ts";
import { formatRoute, type RoutePattern } from "../core/route.ts";
import { type PathParams, readParams } from "./path_params.ts";

/** A pattern and what it leads to. */
export interface Route<T> {
  readonly pattern: RoutePattern;
  readonly target: T;
}

/** What a router says about a request. */
export type RouteMatch<T> =
  | { readonly kind: "found"; readonly target: T; readonly params: PathParams }
  /** The path is known, but not with this method; `allow` holds the methods that are, sorted. */
  | { readonly kind: "method"; readonly allow: readonly string[] }
  | { readonly kind: "none" };

/** Matches requests. */
export interface Router<T> {
  /**
   * @param method as in the request line.
   * @param host the Host header; its port, its case and a dot at its end do not matter.
   * @param path percent-encoded and without a query, as `new URL().pathname` gives it.
   */
  match(method: string, host: string, path: string): RouteMatch<T>;
  /** Whether a route names this host, by itself or by a `*.` pattern. */
  namesHost(host: string): boolean;
  /** A router that has these as well, made in a time that depends on them alone; this one is of no use then. */
  extended(added: readonly Route<T>[]): Router<T>;
}

/** What the tree holds for a route. */
interface Leaf<T> {
  /** The answer when there are no parameters. */
  readonly found: RouteMatch<T>;
  readonly target: T;
  /** How many segments stand before the trailing `*`; -1 when there is none. */
  readonly restAfter: number;
}

/** The routes of one host. `methods` are those that Allow may name. */
interface HostGroup<T> {
  readonly tree: RouterContext<Leaf<T>>;
  readonly methods: Set<string>;
}

const NONE = { kind: "none" } as const;
const HOST_LENGTH_MAX = 255;

/**
 * Builds a router.
 * @throws {Error} naming the pattern, when it cannot be a route or matches the same requests as one before it that
 * leads elsewhere.
 */
export function createRouter<T>(routes: readonly Route<T>[]): Router<T> {
  const exact = new Map<string, HostGroup<T>>();
  const wild = new Map<string, HostGroup<T>>();
  let any: HostGroup<T> | undefined;
  const groupOf = (host: string | undefined): HostGroup<T> => {
    if (host === undefined) {
      any ??= createGroup();
      return any;
    }
    const [groups, name] = host.startsWith("*.") ? [wild, host.slice(2)] : [exact, host];
    const group = groups.get(name) ?? createGroup<T>();
    groups.set(name, group);
    return group;
  };
  const all = [...routes];
  const taken = new Map<string, Route<T>>();
  addRoutes(routes, groupOf, taken);

  return {
    extended(added) {
      all.push(...added);
      // A HEAD goes before the one that a GET gives, and must come first.
      if (added.some(({ pattern }) => pattern.method === "HEAD")) return createRouter(all);
      addRoutes(added, groupOf, taken);
      return this;
    },
    match(method, host, path) {
      const last = any;
      if (exact.size === 0 && wild.size === 0) return last === undefined ? NONE : matchIn([last], method, path);
      return matchIn(groupsOf(hostName(host)), method, path);
    },
    namesHost(host) {
      const name = hostName(host);
      return exact.has(name) || wildGroups(name).length > 0;
    },
  };

  function groupsOf(name: string): HostGroup<T>[] {
    const groups = wild.size === 0 ? [] : wildGroups(name);
    const own = exact.get(name);
    if (own !== undefined) groups.unshift(own);
    if (any !== undefined) groups.push(any);
    return groups;
  }

  function wildGroups(name: string): HostGroup<T>[] {
    const groups: HostGroup<T>[] = [];
    if (name.length > HOST_LENGTH_MAX) return groups;
    for (let dot = name.indexOf(".", 1); dot > 0; dot = name.indexOf(".", dot + 1)) {
      const group = wild.get(name.slice(dot + 1));
      if (group !== undefined) groups.push(group);
    }
    return groups;
  }
}

function createGroup<T>(): HostGroup<T> {
  return { tree: createTree(), methods: new Set() };
}

/** Adds all routes; the GETs once more as HEADs behind the routes that are HEADs by themselves. */
function addRoutes<T>(
  routes: readonly Route<T>[],
  groupOf: (host: string | undefined) => HostGroup<T>,
  taken: Map<string, Route<T>>,
): void {
  const added: Route<T>[] = [];
  for (const route of routes) {
    const { pattern, target } = route;
    const path = treePattern(pattern.path);
    const fail = (why: string, cause?: unknown): never => {
      throw new Error(`Cannot add route "${formatRoute(pattern)}": ${why}`, { cause });
    };
    const key = `${pattern.method ?? ""} ${pattern.host ?? ""} ${nodeKey(path, fail)}`;
    const before = taken.get(key);
    if (before !== undefined) {
      if (before.target === target) continue;
      fail(`it matches the same requests as "${formatRoute(before.pattern)}"`);
    }
    taken.set(key, route);
    added.push(route);
    const { tree, methods } = groupOf(pattern.host);
    addRoute(tree, pattern.method ?? "", path, createLeaf(route));
    if (pattern.method !== undefined) methods.add(pattern.method);
  }
  for (const route of added) {
    const { pattern } = route;
    if (pattern.method !== "GET") continue;
    const { tree, methods } = groupOf(pattern.host);
    addRoute(tree, "HEAD", treePattern(pattern.path), createLeaf(route));
    methods.add("HEAD");
  }
}

function createLeaf<T>({ pattern, target }: Route<T>): Leaf<T> {
  const restAfter = pattern.path.endsWith("/*") ? pattern.path.split("/").length - 2 : -1;
  return { found: { kind: "found", target, params: NO_PARAMS }, target, restAfter };
}

/** The place of a pattern in its tree: two patterns with one key match the same paths. */
function nodeKey(path: string, fail: (why: string, cause: unknown) => never): string {
  try {
    return routeNodeKeys(path).join(" ");
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error), error);
  }
}

/** `path` in rou3's syntax, in which more characters than ours have a meaning. */
function treePattern(path: string): string {
  return path.replace(/[(){}\\]/g, "\\$&");
}

function matchIn<T>(groups: readonly HostGroup<T>[], method: string, path: string): RouteMatch<T> {
  for (const group of groups) {
    const match = findRoute(group.tree, method, path);
    if (match === undefined) continue;
    const { found, target, restAfter } = match.data;
    if (match.params === undefined && restAfter < 0) return found;
    return { kind: "found", target, params: readParams(match.params ?? Object.create(null), restAfter, path) };
  }
  const allow = new Set<string>();
  for (const group of groups) {
    for (const known of group.methods) {
      if (findRoute(group.tree, known, path, { params: false }) !== undefined) allow.add(known);
    }
  }
  return allow.size === 0 ? NONE : { kind: "method", allow: [...allow].sort() };
}

/** The name of a Host header: without its port and a last dot, in lower case. */
function hostName(host: string): string {
  const colon = host.indexOf(":", host.startsWith("[") ? host.indexOf("]") : 0);
  const name = colon < 0 ? host : host.slice(0, colon);
  return (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();
}
