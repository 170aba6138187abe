/** The server itself: its state, what it remembers of invocations, pins, the audit, collecting, events. */
import { z } from "zod";
import { IsopodError } from "../../core/errors.ts";
import { auditRecord } from "../deploy/records.ts";
import { COLLECT_POLICY } from "../deploy/removals.ts";
import { hash, instant } from "../fields.ts";
import { type Endpoint, endpoint, inProject, page, pageOf, readCursor, writeCursor } from "./endpoint.ts";
import { deploymentEvents, statusEvents } from "./event_stream.ts";
import type { ApiParts } from "./parts.ts";

const EVENT_STREAM = "text/event-stream";
const STATUS_PERIOD_MS_MIN = 200;

/** The endpoints of the server's state. */
export function stateEndpoints(parts: ApiParts): Endpoint[] {
  return [
    endpoint({
      ...{ method: "get", path: "/v1/status", id: "getStatus", access: "server" },
      ...{ summary: "The state of the server", answer: z.looseObject({}) },
      handle: async () => ({ body: { ...parts.status() } }),
    }),
    endpoint({
      ...{
        method: "get",
        path: "/v1/whoami",
        id: "whoami",
        access: "anyone",
        summary: "What the caller's credential opens",
      },
      answer: z.object({ who: z.string(), project: z.string().optional(), scopes: z.array(z.string()) }),
      handle: async ({ who: { label, project, scopes } }) => {
        return { body: { who: label, scopes: [...scopes], ...(project !== undefined && { project }) } };
      },
    }),
    endpoint({
      ...{ method: "get", path: "/v1/invocations/{id}", id: "getInvocation", access: "server" },
      ...{
        summary: "What became of a request",
        params: z.object({ id: z.string().max(128) }),
        answer: z.looseObject({}),
      },
      handle: async ({ params: { id } }) => {
        const found = parts.invocation(id);
        if (found === undefined) throw new IsopodError("not_found", { message: "No such invocation is remembered" });
        return { body: found as Record<string, unknown> };
      },
    }),
    endpoint({
      ...{ method: "get", path: "/v1/status/events", id: "watchStatus", access: "server", answerType: EVENT_STREAM },
      summary: "The state of the server, again and again",
      query: z.object({ period_ms: z.coerce.number().int().min(STATUS_PERIOD_MS_MIN).max(60_000).default(1000) }),
      handle: async (call) => statusEvents(parts.status, call.query.period_ms, call),
    }),
    endpoint({
      ...{ method: "post", path: "/v1/collect", id: "collect", access: "server" },
      summary: "Deletes versions by age and number, never one in use, and then contents that no version has",
      body: z
        .strictObject({
          versionsKept: z.number().int().min(1).default(COLLECT_POLICY.versionsKept),
          youngerThanMs: z.number().int().min(0).default(COLLECT_POLICY.youngerThanMs),
          blobsYoungerThanMs: z.number().int().min(0).default(COLLECT_POLICY.blobsYoungerThanMs),
        })
        .prefault({}),
      answer: z.object({ versions: z.number(), blobs: z.number(), auditEntries: z.number() }),
      handle: async ({ body, who }) => ({ body: await parts.plane.removals.collect(who.label, body) }),
    }),
  ];
}

/** The endpoints of pins. */
export function pinEndpoints({ pins }: ApiParts): Endpoint[] {
  const language = z.enum(["typescript", "javascript"]);
  return [
    endpoint({
      ...{ method: "get", path: "/v1/pins", id: "listPins", access: "server", summary: "The pinned programs" },
      answer: z.object({
        pins: z.array(z.object({ hash, language, bytes: z.number(), pinnedAt: z.number() })).readonly(),
      }),
      handle: async () => ({ body: { pins: pins.list() } }),
    }),
    endpoint({
      ...{ method: "post", path: "/v1/pins", id: "pin", access: "anyone", status: 201 },
      summary: "Pins a program; takes the server's token or a key that may pin",
      body: z.strictObject({ code: z.string().min(1), language: language.default("typescript") }),
      answer: z.object({ hash }),
      handle: async ({ body, who }) => {
        if (!who.mayPin) throw new IsopodError("forbidden", { message: "The key may not pin programs." });
        return { body: { hash: await pins.pin(body.code, body.language) } };
      },
    }),
  ];
}

/** The endpoints of the audit. */
export function auditEndpoints({ plane }: ApiParts): Endpoint[] {
  const answer = pageOf(z.object({ ...auditRecord.shape, at: instant }));
  const list = async (project: string | undefined, { limit, cursor }: z.infer<typeof page>) => {
    const after = cursor === undefined ? undefined : readCursor(cursor);
    const { entries, next } = await plane.audit.list(project, limit, after);
    return { body: { items: entries, ...(next !== undefined && { next: writeCursor(next) }) } };
  };
  return [
    endpoint({
      ...{ method: "get", path: "/v1/audit", id: "listAudit", access: "server" },
      ...{ summary: "Who changed what, the newest first", query: page, answer },
      handle: ({ query }) => list(undefined, query),
    }),
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/audit", id: "listProjectAudit", access: { scopes: [] } },
      ...{ summary: "Who changed what in a project, the newest first", params: inProject, query: page, answer },
      handle: ({ params, query }) => list(params.project, query),
    }),
    endpoint({
      ...{ method: "get", path: "/v1/events", id: "watchDeployments", access: "server", answerType: EVENT_STREAM },
      summary: "What is changed, as it happens",
      handle: async (call) => deploymentEvents(plane, undefined, call),
    }),
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/events", id: "watchProject", answerType: EVENT_STREAM },
      ...{
        summary: "What is changed in a project, as it happens",
        params: inProject,
        access: { scopes: ["deploy", "logs"] },
      },
      handle: async (call) => deploymentEvents(plane, call.params.project, call),
    }),
  ];
}
