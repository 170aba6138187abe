/** SQL databases of projects: their contents by statements, and as files. */
import { z } from "zod";
import { isResourceName, RESOURCE_EXPECTED } from "../../core/binding_kinds.ts";
import type { DatabaseAdmin, DatabaseStatement, FoundDatabase } from "../../core/database_admin.ts";
import { IsopodError } from "../../core/errors.ts";
import { type Call, type Endpoint, endpoint, inProject, page, pageOf, paginate } from "./endpoint.ts";
import { DEPLOY } from "./function_answers.ts";
import type { ApiParts } from "./parts.ts";

const ADMIN = { scopes: [] } as const;
const STATEMENTS_MAX = 1000;
const TEXTS_MAX = 100;

const ofDatabase = inProject.extend({
  database: z.string().refine(isResourceName, `expected ${RESOURCE_EXPECTED}`),
});

/** Blobs, large integers and numbers that are not finite, which JSON does not have. */
const value = z.union([
  z.null(),
  z.boolean(),
  z.number(),
  z.string(),
  z.strictObject({ b: z.base64() }),
  z.strictObject({ i: z.string() }),
  z.strictObject({ f: z.string() }),
]);
const statement = z.strictObject({ sql: z.string(), params: z.array(value).max(100).default([]) });
const result = z.object({
  columns: z.array(z.string()),
  /** Values as they are bound; arrays of PostgreSQL are lists. */
  rows: z.array(z.array(z.unknown())),
  meta: z.record(z.string(), z.union([z.number(), z.boolean(), z.null()])),
});

const databaseView = z.object({
  name: z.string(),
  dialect: z.enum(["sqlite", "postgres"]),
  /** Null where there is no file of ours. */
  bytes: z.number().nullable(),
});

const PATH = "/v1/projects/{project}/databases/{database}";

/** The endpoints of databases. */
export function databaseEndpoints(parts: ApiParts): Endpoint[] {
  return [...contentEndpoints(parts), ...wholeEndpoints(parts)];
}

/** What the operator has given to functions is not everybody's who may deploy one. @throws {IsopodError} `forbidden` */
async function mayReach(
  { databases }: ApiParts,
  { params, who }: Call<{ project: string; database: string }, unknown, unknown>,
): Promise<FoundDatabase> {
  const { project, database } = params;
  const found = await databases.find(project, database);
  if (!found.isOperators || who.project === undefined || who.scopes.includes("admin")) return found;
  const message = `The server's operator has given "${database}" to functions; this takes a key with the scope admin.`;
  throw new IsopodError("forbidden", { message });
}

function contentEndpoints(parts: ApiParts): Endpoint[] {
  const { plane, databases } = parts;
  return [
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/databases", id: "listDatabases", access: DEPLOY },
      ...{ summary: "The SQL databases of a project", params: inProject, query: page },
      answer: pageOf(databaseView),
      handle: async ({ params: { project }, query }) => ({
        body: paginate(await databases.list(project), query, (each) => each.name),
      }),
    }),
    endpoint({
      ...{ method: "get", path: PATH, id: "getDatabase", access: DEPLOY },
      ...{ summary: "What a database is; of SQLite where nobody names one of PostgreSQL so", params: ofDatabase },
      answer: databaseView,
      handle: async ({ params: { project, database } }) => {
        const { name, dialect, bytes } = await databases.find(project, database);
        return { body: { name, dialect, bytes } };
      },
    }),
    endpoint({
      ...{ method: "post", path: `${PATH}/query`, id: "queryDatabase", access: DEPLOY },
      summary: "Runs statements, all in one transaction; the database is made when there is none",
      ...{ params: ofDatabase, body: z.strictObject({ statements: z.array(statement).min(1).max(STATEMENTS_MAX) }) },
      answer: z.object({ results: z.array(result) }),
      handle: async (call) => {
        await mayReach(parts, call);
        const { params, body } = call;
        const statements = body.statements.map(({ sql, params }) => ({ sql, values: params }));
        return { body: { results: await query(databases, params.project, params.database, statements) } };
      },
    }),
    endpoint({
      ...{ method: "post", path: `${PATH}/script`, id: "runDatabaseScript", access: DEPLOY },
      summary: "Runs texts of statements, such as migrations, all in one transaction",
      ...{ params: ofDatabase, body: z.strictObject({ texts: z.array(z.string()).min(1).max(TEXTS_MAX) }) },
      answer: z.object({ statements: z.number() }),
      handle: async (call) => {
        await mayReach(parts, call);
        const { params, body, who } = call;
        const { project, database } = params;
        const statements = await databases.script(project, database, body.texts);
        await plane.audit.add({ who: who.label, action: "database-script", project, what: database });
        return { body: { statements } };
      },
    }),
  ];
}

function wholeEndpoints(parts: ApiParts): Endpoint[] {
  const { plane, databases } = parts;
  return [
    endpoint({
      ...{ method: "get", path: `${PATH}/file`, id: "exportDatabase", access: DEPLOY },
      summary: "The database as a file of SQLite, as it is at one moment; of PostgreSQL its rows as application/sql",
      ...{ params: ofDatabase, answerType: "application/vnd.sqlite3" },
      handle: async (call) => {
        const { dialect } = await mayReach(parts, call);
        const { params, request } = call;
        const type = dialect === "postgres" ? "application/sql" : "application/vnd.sqlite3";
        const headers = { "content-type": type, "cache-control": "no-store" };
        return new Response(await databases.copy(params.project, params.database, request.signal), { headers });
      },
    }),
    endpoint({
      ...{ method: "put", path: `${PATH}/file`, id: "importDatabase", access: ADMIN },
      ...{ summary: "Puts a file of SQLite in the place of the database", params: ofDatabase },
      handle: async ({ params: { project, database }, request, who }) => {
        if (request.body === null) throw new IsopodError("bad_request", { message: "Cannot import: there is no body" });
        await databases.replace(project, database, request.body);
        await plane.audit.add({ who: who.label, action: "database-import", project, what: database });
        return {};
      },
    }),
    endpoint({
      ...{ method: "delete", path: PATH, id: "deleteDatabase", access: ADMIN },
      ...{ summary: "Deletes a database with everything in it", params: ofDatabase },
      handle: async ({ params: { project, database }, who }) => {
        if (!(await databases.delete(project, database))) {
          throw new IsopodError("not_found", { message: `There is no database "${database}".` });
        }
        await plane.audit.add({ who: who.label, action: "database-delete", project, what: database });
        return {};
      },
    }),
  ];
}

async function query(
  databases: DatabaseAdmin,
  project: string,
  name: string,
  statements: readonly DatabaseStatement[],
): Promise<z.input<typeof result>[]> {
  const results = JSON.parse(await databases.query(project, name, statements)) as {
    readonly c: string[];
    readonly r: unknown[][];
    readonly m: Record<string, number | boolean | null>;
  }[];
  return results.map(({ c: columns, r: rows, m: meta }) => ({ columns, rows, meta }));
}
