/**
 * The programs of the SQL suite, one an engine: each takes what is to be asked of a database as JSON, and answers what came
 * of it in the same words. What JSON does not have is an object with one key: `b` for bytes in base64, `i` for a large
 * integer, `f` for a number that is not finite.
 */

/** What is asked. */
export interface SqlAsk {
  /** The name of the binding on `env`. */
  readonly via: string;
  readonly how: "raw" | "all" | "run" | "first" | "batch" | "exec";
  readonly sql?: string;
  readonly values?: readonly unknown[];
  /** Of `first`. */
  readonly column?: string;
  /** Of `batch`: each a text with its values. */
  readonly statements?: readonly (readonly [sql: string, ...values: unknown[]])[];
}

/** Of the engine `script`, by what stands on `env`. */
export const SCRIPT_PROGRAM = `
const take = (value) => value?.b !== undefined ? Uint8Array.fromBase64(value.b) : value?.i !== undefined ? BigInt(value.i)
  : value?.f !== undefined ? Number(value.f) : value;
const show = (_, value) => typeof value === "bigint" ? { i: String(value) } : value instanceof Uint8Array ? { b: value.toBase64() }
  : typeof value === "number" && !Number.isFinite(value) ? { f: String(value) } : value;
const made = (db, sql, values) => db.prepare(sql, { bigint: true }).bind(...values.map(take));
const ask = async (db, { how, sql, values = [], column, statements = [] }) => {
  if (how === "exec") return { count: (await db.exec(sql)).count };
  if (how === "batch") return db.batch(statements.map(([text, ...own]) => made(db, text, own)));
  const statement = made(db, sql, values);
  return how === "raw" ? statement.raw({ columnNames: true }) : how === "first" ? statement.first(column) : statement[how]();
};
export default async (request, env) => {
  const asked = await request.json();
  try {
    return new Response(JSON.stringify({ value: await ask(env[asked.via], asked) }, show));
  } catch (error) {
    return Response.json({ error: { code: error.code ?? error.name, message: error.message } });
  }
};`;

/** Of the engine `process`, by HTTP: the same calls as the guest of a script makes, as docs/bindings.md has them. */
export const PROCESS_PROGRAM = `
import rt, os, json, urllib.request, urllib.error
def post(via, asked):
    url = os.environ["ISOPOD_BINDINGS"] + "/" + via + "/query"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="POST", data=json.dumps(asked).encode())) as r: return json.load(r), None
    except urllib.error.HTTPError as e: return None, json.load(e)["error"]
def result(one):
    return {"success": True, "results": [dict(zip(one["c"], row)) for row in one["r"]], "meta": one["m"]}
def ask(asked):
    how, via = asked["how"], asked["via"]
    if how == "exec": return post(via, {"o": "exec", "t": [asked["sql"]]})
    if how == "batch":
        done, error = post(via, {"o": "batch", "s": asked["statements"]})
        return (None if error else [result(each) for each in done]), error
    done, error = post(via, {"o": "query", "s": [[asked["sql"]] + asked.get("values", [])], **({"n": 1} if how == "first" else {})})
    if error: return None, error
    one = done[0]
    if how == "raw": return [one["c"]] + one["r"], None
    if how != "first": return result(one), None
    row = dict(zip(one["c"], one["r"][0])) if one["r"] else None
    return (row[asked["column"]] if row is not None and "column" in asked else row), None
def handle(event):
    value, error = ask(json.loads(event["body"]))
    return {"error": error} if error else {"value": value}
rt.serve(handle)
`;
