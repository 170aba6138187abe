/** How values look on the console of a page: much as under other runtimes, bounded in depth and number. */
import type { Inspector } from "../../../guest/console.ts";

const DEPTH_MAX = 4;
const MEMBERS_MAX = 100;
const TEXT_LENGTH_MAX = 10_000;

/** The page's. */
export const INSPECTOR: Inspector = {
  inspect: (value) => show(value, 0, []),
  table: (value) => show(value, 0, []),
};

function show(value: unknown, depth: number, above: readonly object[]): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, TEXT_LENGTH_MAX));
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return `[Function${value.name === "" ? "" : `: ${value.name}`}]`;
  if (typeof value !== "object" || value === null) return String(value);
  if (above.includes(value)) return "[Circular]";
  if (value instanceof Error) return value.stack || String(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  if (value instanceof Node) return shownNode(value);
  const inner = [...above, value];
  const each = (one: unknown) => show(one, depth + 1, inner);
  if (Array.isArray(value) || ArrayBuffer.isView(value)) {
    const all = value as unknown as ArrayLike<unknown>;
    const name = Array.isArray(value) ? "" : `${value.constructor.name}(${all.length}) `;
    return depth > DEPTH_MAX
      ? "[Array]"
      : `${name}${listed(
          "[",
          Array.from({ length: Math.min(all.length ?? 0, MEMBERS_MAX) }, (_, at) => each(all[at])),
          all.length ?? 0,
          "]",
        )}`;
  }
  if (depth > DEPTH_MAX) return "[Object]";
  if (value instanceof Map) {
    const pairs = [...value].slice(0, MEMBERS_MAX).map(([key, one]) => `${each(key)} => ${each(one)}`);
    return `Map(${value.size}) ${listed("{", pairs, value.size, "}")}`;
  }
  if (value instanceof Set) {
    return `Set(${value.size}) ${listed("{", [...value].slice(0, MEMBERS_MAX).map(each), value.size, "}")}`;
  }
  const entries = Object.entries(value);
  const kind = Object.getPrototypeOf(value)?.constructor?.name as string | undefined;
  const pairs = entries.slice(0, MEMBERS_MAX).map(([key, one]) => `${key}: ${each(one)}`);
  return `${kind === undefined || kind === "Object" ? "" : `${kind} `}${listed("{", pairs, entries.length, "}")}`;
}

function listed(open: string, parts: readonly string[], count: number, close: string): string {
  if (count === 0) return open + close;
  const rest = count > parts.length ? [`... ${count - parts.length} more`] : [];
  const inner = [...parts, ...rest].join(", ");
  return open === "{" ? `${open} ${inner} ${close}` : `${open}${inner}${close}`;
}

function shownNode(node: Node): string {
  const text = node instanceof Element ? (node.cloneNode(false) as Element).outerHTML : node.nodeName;
  return text.slice(0, TEXT_LENGTH_MAX);
}
