/**
 * Path parameters as functions see them, from those that rou3 gives.
 *
 * They are percent-decoded here, and only here; a broken escape stays as it is. The rest that a `*` matched is taken
 * from the path itself, since rou3 drops a slash at its end.
 */

/** Path parameters, percent-decoded; what a trailing `*` matched stands under `"*"`. Inherits nothing from `Object`. */
export type PathParams = Readonly<Record<string, string>>;

/**
 * The router's parameters, which nobody else holds, made ours in place.
 * @param restAfter how many segments stand before the pattern's trailing `*`; -1 when it has none.
 */
export function readParams(params: Record<string, string>, restAfter: number, path: string): PathParams {
  if (restAfter >= 0) {
    delete params["0"];
    params["*"] = restOf(path, restAfter);
  }
  if (path.includes("%")) {
    for (const name in params) params[name] = decode(params[name] ?? "");
  }
  return params;
}

/** What stands in `path` behind its first `segments` segments, without the slash before it. */
function restOf(path: string, segments: number): string {
  let slash = 0;
  for (let index = 0; index < segments; index++) {
    slash = path.indexOf("/", slash + 1);
    if (slash < 0) return "";
  }
  return path.slice(slash + 1);
}

/** `text` percent-decoded; as it is when it holds an escape that is none. */
function decode(text: string): string {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
