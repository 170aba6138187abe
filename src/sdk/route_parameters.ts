/** The parameters of a path, as types: `"/greet/:name"` has `{ name: string }`. */

type Trimmed<Name extends string> = Name extends `${infer Head}{${string}` ? Head : Name;

type Named<Part extends string> = Part extends `:${infer Name}`
  ? Trimmed<Name> extends `${infer Head}?`
    ? { readonly [Key in Head]?: string }
    : { readonly [Key in Trimmed<Name>]: string }
  : unknown;

/** The parameters that a request has when it matches `Path`. */
export type RouteParameters<Path extends string> = string extends Path
  ? Readonly<Record<string, string>>
  : Path extends `${infer Part}/${infer Rest}`
    ? Named<Part> & RouteParameters<Rest>
    : Named<Path>;

/**
 * The parameters that were matched, with their escapes read; one that cannot be read stays as it was sent.
 * @param stash the values, when `found` holds positions in it
 */
export function readParameters(
  found: Readonly<Record<string, string | number>>,
  stash: readonly (string | undefined)[] | undefined,
): Readonly<Record<string, string>> {
  const parameters: Record<string, string> = {};
  for (const [name, value] of Object.entries(found)) {
    const text = typeof value === "number" ? stash?.[value] : value;
    if (text !== undefined) parameters[name] = text.includes("%") ? unescaped(text) : text;
  }
  return parameters;
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
