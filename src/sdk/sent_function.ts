/**
 * The program that a function is sent as: a module of one fixed line, the function's source as it stands, and what
 * closes it.
 *
 * This text is what is hashed, reviewed and pinned. The client that sends it and the build that registers it both make
 * it here; whoever changes one character of it makes every pin of earlier versions worthless, which a test holds.
 * Nothing is in scope of the function that its author did not write, and its columns are those of its own source.
 */

/** The line of the program on which the function begins; its first column is 1. */
export const FUNCTION_LINE = 2;

/** What a value is answered as, beside its text: a `Response` of the function's own never has these types. */
export const VALUE_TYPE = "application/vnd.isopod.value+json";
/** What the values of an async iterable are answered as: one JSON text a line. */
export const VALUES_TYPE = "application/vnd.isopod.values+jsonl";

const OPENING = [
  "export default ((run) => async (request, env, ctx) => {",
  "const { args, requestId, deadline, waitUntil } = ctx;",
  "const result = await run({ args, env, request, requestId, deadline, waitUntil });",
  "if (result instanceof Response) return result;",
  "const answer = (body, type) => new Response(body, { headers: { 'content-type': type } });",
  `if (result?.[Symbol.asyncIterator] === undefined) return answer(JSON.stringify(result), '${VALUE_TYPE}');`,
  "const values = result[Symbol.asyncIterator](), encoder = new TextEncoder();",
  "return answer(new ReadableStream({ async pull(to) { const { done, value } = await values.next();",
  "if (done) to.close(); else to.enqueue(encoder.encode((JSON.stringify(value) ?? 'null') + '\\n')); },",
  `async cancel() { await values.return?.(); } }), '${VALUES_TYPE}'); })(`,
].join(" ");

/** The program that runs the function of this source. */
export function programOf(source: string): string {
  return `${OPENING}\n${source});\n`;
}

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;
const CLASS = /^class\b/;
/** `name(…) {`, `async *name(…) {`, `get name(…) {`, `[name](…) {`, `"name"(…) {`: what stands in classes and objects. */
const METHOD =
  /^(?:(?:async|get|set|static)\s+|\*\s*)*(?:\[|["']|(?!async\b|function\b)[#\p{ID_Start}$_][\p{ID_Continue}$]*\s*\()/u;

/**
 * The source of a function, once it can be sent.
 * @throws {TypeError} that says why it cannot
 */
export function sourceOf(fn: unknown): string {
  if (typeof fn !== "function") {
    throw new TypeError(`Cannot send the function: expected a function, not ${fn === null ? "null" : typeof fn}`);
  }
  const source = Function.prototype.toString.call(fn);
  const refuse = (why: string): never => {
    throw new TypeError(`Cannot send the function${fn.name === "" ? "" : ` "${fn.name}"`}: ${why}`);
  };
  if (NATIVE.test(source)) return refuse("its source is not known; functions that are bound or built in have none");
  if (CLASS.test(source)) return refuse("it is a class");
  if (METHOD.test(source)) return refuse("it is a method; write it as `async () => …` or `async function () …`");
  return source;
}
