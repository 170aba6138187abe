/** Schedules and queues of projects: how they fare, and what is done with them by hand. */
import { z } from "zod";
import { isResourceName, RESOURCE_EXPECTED } from "../../core/binding_kinds.ts";
import { type Endpoint, endpoint, inProject, page, pageOf, paginate } from "./endpoint.ts";
import { DEPLOY } from "./function_answers.ts";
import type { ApiParts } from "./parts.ts";

const PEEK_MAX = 100;

const resource = z.string().refine(isResourceName, `expected ${RESOURCE_EXPECTED}`);
const ofQueue = inProject.extend({ queue: resource });
const ofSchedule = inProject.extend({ function: z.string(), schedule: z.string() });
const instant = z.number().optional();

const schedule = z.object({
  ...{ function: z.string(), name: z.string(), cron: z.string(), timezone: z.string() },
  enabled: z.boolean(),
  ...{ nextAt: instant, lastAt: instant, lastRequestId: z.string().optional() },
  lastOutcome: z.enum(["running", "ok", "failed", "missed", "skipped"]).optional(),
  ...{ runs: z.number(), failed: z.number(), missed: z.number(), skipped: z.number() },
});
const queue = z.object({
  ...{ name: z.string(), messages: z.number(), bytes: z.number(), inFlight: z.number(), oldestAt: instant },
  ...{ consumer: z.string().optional(), deadLetter: z.string().optional() },
});
const type = z.enum(["json", "text", "bytes"]);
const message = z.object({
  ...{ id: z.string(), sentAt: z.number(), visibleAt: z.number(), attempts: z.number(), type, body: z.string() },
});
const outgoing = z.strictObject({
  type: type.default("json"),
  body: z.string(),
  delayMs: z.number().min(0).default(0),
});

/** The endpoints of schedules and queues. */
export function triggerEndpoints(parts: ApiParts): Endpoint[] {
  return [...scheduleEndpoints(parts), ...queueEndpoints(parts)];
}

function scheduleEndpoints({ plane, triggers }: ApiParts): Endpoint[] {
  return [
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/schedules", id: "listSchedules", access: DEPLOY },
      ...{ summary: "The schedules of a project, and how they fare", params: inProject, query: page },
      answer: pageOf(schedule),
      handle: async ({ params: { project }, query }) => {
        const all = await triggers.schedules(project);
        return { body: paginate(all, query, (each) => `${each.function}/${each.name}`) };
      },
    }),
    endpoint({
      ...{ method: "post", path: "/v1/projects/{project}/schedules/{function}/{schedule}/run", id: "runSchedule" },
      ...{ access: DEPLOY, summary: "Runs a schedule's function now, beside its times", params: ofSchedule },
      answer: z.object({ requestId: z.string() }),
      handle: async ({ params: { project, function: name, schedule: id }, who }) => {
        await plane.audit.add({ who: who.label, action: "schedule-run", project, what: `${name}/${id}` });
        return { body: { requestId: await triggers.runSchedule(project, name, id) } };
      },
    }),
  ];
}

function queueEndpoints({ plane, triggers }: ApiParts): Endpoint[] {
  const path = "/v1/projects/{project}/queues/{queue}";
  const audit = (who: string, action: string, project: string, what: string) =>
    plane.audit.add({ who, action, project, what });
  return [
    endpoint({
      ...{ method: "get", path: "/v1/projects/{project}/queues", id: "listQueues", access: DEPLOY },
      ...{ summary: "The queues of a project, and how full they are", params: inProject, query: page },
      answer: pageOf(queue),
      handle: async ({ params: { project }, query }) => ({
        body: paginate(await triggers.queues(project), query, (each) => each.name),
      }),
    }),
    endpoint({
      ...{ method: "get", path: `${path}/messages`, id: "peekQueue", access: DEPLOY },
      summary: "The messages of a queue that wait longest; they stay where they are",
      params: ofQueue,
      query: z.strictObject({ limit: z.coerce.number().int().min(1).max(PEEK_MAX).default(10) }),
      answer: z.object({ items: z.array(message) }),
      handle: async ({ params: { project, queue: name }, query: { limit } }) => ({
        body: { items: [...(await triggers.peek(project, name, limit))] },
      }),
    }),
    endpoint({
      ...{ method: "post", path: `${path}/messages`, id: "sendMessages", access: DEPLOY },
      ...{ summary: "Sends messages", params: ofQueue },
      body: z.strictObject({ messages: z.array(outgoing).min(1).max(PEEK_MAX) }),
      answer: z.object({ ids: z.array(z.string()) }),
      handle: async ({ params: { project, queue: name }, body }) => ({
        body: { ids: await triggers.send(project, name, body.messages) },
      }),
    }),
    endpoint({
      ...{ method: "post", path: `${path}/purge`, id: "purgeQueue", access: DEPLOY },
      ...{ summary: "Removes all messages of a queue", params: ofQueue },
      answer: z.object({ messages: z.number() }),
      handle: async ({ params: { project, queue: name }, who }) => {
        await audit(who.label, "queue-purge", project, name);
        return { body: { messages: await triggers.purge(project, name) } };
      },
    }),
    endpoint({
      ...{ method: "post", path: `${path}/redrive`, id: "redriveQueue", access: DEPLOY },
      summary: "Moves all messages of a queue, such as dead letters, to another one, as if they were sent anew",
      ...{ params: ofQueue, body: z.strictObject({ to: resource }) },
      answer: z.object({ messages: z.number() }),
      handle: async ({ params: { project, queue: name }, body: { to }, who }) => {
        await audit(who.label, "queue-redrive", project, `${name} to ${to}`);
        return { body: { messages: await triggers.redrive(project, name, to) } };
      },
    }),
  ];
}
