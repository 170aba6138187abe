/** The URL of a request to the codeless endpoint, taken apart without writing any of it anew. */
import { parseIntegrity } from "../sources/integrity.ts";

/** What the program sees of the request's URL, and what it does not. */
export interface ProgramUrl {
  /** Without `integrity`, and without `engine=browser`. */
  readonly programUrl: string;
  /** `sha256-<hex>`; undefined when the query does not say. */
  readonly integrity: string | undefined;
  /** What it is to run in, when the query says so. */
  readonly engine: "browser" | undefined;
}

/** The one pair of a query by which a program is run in a page. */
const IN_BROWSER = "engine=browser";

/** Cuts an absolute URL without parsing it anew. */
export function splitUrl(url: string): { pathname: string; query: string; bare: string } {
  const hash = url.indexOf("#");
  const text = hash < 0 ? url : url.slice(0, hash);
  const mark = text.indexOf("?");
  const bare = mark < 0 ? text : text.slice(0, mark);
  const slash = bare.indexOf("/", bare.indexOf("://") + 3);
  return { pathname: slash < 0 ? "/" : bare.slice(slash), query: mark < 0 ? "" : text.slice(mark + 1), bare };
}

/** Takes `integrity` and `engine=browser` out of the query and leaves the rest as it was written. */
export function readQuery(bare: string, query: string): ProgramUrl {
  if (!query.includes("integrity=") && !query.includes(IN_BROWSER))
    return { programUrl: query === "" ? bare : `${bare}?${query}`, integrity: undefined, engine: undefined };
  let engine: ProgramUrl["engine"];
  let integrity: string | undefined;
  const others = query.split("&").filter((pair) => {
    if (pair === IN_BROWSER) engine = "browser";
    if (pair === IN_BROWSER) return false;
    if (!pair.startsWith("integrity=")) return true;
    // A plus sign is base64's here, and not a space.
    integrity = parseIntegrity(decodeEscapes(pair.slice("integrity=".length)));
    return false;
  });
  return { programUrl: others.length === 0 ? bare : `${bare}?${others.join("&")}`, integrity, engine };
}

function decodeEscapes(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
