/** The calls of the Runtime API 2018-06-01, by their methods and paths. */
import type { RequestStart } from "../../guest/http_parser.ts";

/** A call; `method` is one that exists by another method. */
export type RuntimeCall =
  | { readonly kind: "next" | "init" }
  | { readonly kind: "response" | "error"; readonly id: string }
  | { readonly kind: "method"; readonly allow: string };

const CALL =
  /^\/2018-06-01\/runtime\/(?:invocation\/(next)|invocation\/([^/?]{1,128})\/(response|error)|(init)\/error)$/;

/** The call that a request is; undefined when it is none. */
export function readCall({ method, target }: RequestStart): RuntimeCall | undefined {
  const [all, next, id, kind] = CALL.exec(target) ?? [];
  if (all === undefined) return undefined;
  const allow = next === undefined ? "POST" : "GET";
  if (method !== allow) return { kind: "method", allow };
  if (next !== undefined) return { kind: "next" };
  return id === undefined ? { kind: "init" } : { kind: kind as "response" | "error", id };
}
