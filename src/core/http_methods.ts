/** Methods of HTTP: those that this server can be sent. Node's list is that of its parser, and of Bun's. */
import { METHODS } from "node:http";
import { nearest } from "../stdx/nearest.ts";

/** What is wrong with `method` where it is none of HTTP's, as the end of a sentence; undefined where it is one. */
export function methodMistake(method: string): string | undefined {
  if (METHODS.includes(method)) return undefined;
  const meant = nearest(method, METHODS);
  return `"${method}" is no method of HTTP${meant === undefined ? "" : `; did you mean "${meant}"?`}`;
}
