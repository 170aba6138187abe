/**
 * AWS's Extensions API 2020-01-01: programs beside the runtime, which register, are told of invocations and of the end,
 * and hold an invocation open until they ask for the next event.
 *
 * External ones are executables in `/opt/extensions`, started before the runtime; internal ones are threads of the runtime.
 */

import type { RequestStart } from "../../guest/http_parser.ts";
import type { BodySink, Reply } from "../../guest/http_reply.ts";
import type { Child } from "./child.ts";
import type { DialectHost } from "./dialect.ts";
import { eventsOf, filesIn } from "./extension_files.ts";
import type { EventInvocation } from "./invocation.ts";
import { collect, IGNORE, JSON_TYPE, refuse } from "./replies.ts";
import type { Telemetry } from "./telemetry.ts";

const CALL = /^\/2020-01-01\/extension\/(register|event\/next|init\/error|exit\/error)$/;
const FOLDER = "/opt/extensions";
const EXTENSIONS_MAX = 10;
const REGISTRATION_BYTES_MAX = 64 * 1024;
/** What extensions have for their end in milliseconds, as at AWS; the runtime has the first part of it. */
const SHUTDOWN_MS = 2000;
const RUNTIME_SHUTDOWN_MS = 300;

interface Extension {
  readonly id: string;
  readonly name: string;
  readonly isExternal: boolean;
  readonly events: readonly string[];
  /** It waits for an event. */
  waiting: Reply | undefined;
  /** An event that it has not asked for yet. */
  held: string | undefined;
  isReady: boolean;
}

/** Those of one instance. */
export class Extensions {
  readonly #host: DialectHost;
  readonly #telemetry: Telemetry;
  readonly #external = new Map<string, Child>();
  readonly #byId = new Map<string, Extension>();
  #isRuntimeReady = false;
  #isInit = true;
  #isEnding = false;
  onSettled: () => void = () => {};

  constructor(host: DialectHost, telemetry: Telemetry) {
    this.#host = host;
    this.#telemetry = telemetry;
  }

  /** Whether all that are told of invocations have asked for the next event. */
  get isReady(): boolean {
    return [...this.#byId.values()].every(({ isReady }) => isReady);
  }

  /** @throws {Error} */
  start(): void {
    for (const name of filesIn(FOLDER)) {
      this.#external.set(name, this.#host.start([`${FOLDER}/${name}`], { pipes: false, source: "extension" }));
    }
  }

  /** The runtime asks for its first event. */
  runtimeReady(): void {
    this.#isRuntimeReady = true;
    this.#progress();
  }

  /** Tells of an invocation. */
  invoke(invocation: EventInvocation, invokedFunctionArn: string): void {
    if (this.#byId.size === 0) return;
    const tracing = { type: "X-Amzn-Trace-Id", value: invocation.traceId };
    const event = { eventType: "INVOKE", deadlineMs: invocation.deadline, requestId: invocation.id };
    this.#tell("INVOKE", JSON.stringify({ ...event, invokedFunctionArn, tracing }));
  }

  /** Tells of the end, and waits for those who were told, for as long as AWS would. */
  async shutDown(runtime: Child | undefined, reason = "spindown"): Promise<void> {
    this.#isEnding = true;
    const told = [...this.#byId.values()].filter(({ events }) => events.includes("SHUTDOWN"));
    if (this.#external.size === 0) return;
    runtime?.signal("SIGTERM");
    if (runtime !== undefined) await Promise.race([runtime.ended, later(RUNTIME_SHUTDOWN_MS)]);
    const deadlineMs = Date.now() + SHUTDOWN_MS - RUNTIME_SHUTDOWN_MS;
    this.#tell("SHUTDOWN", JSON.stringify({ eventType: "SHUTDOWN", shutdownReason: reason, deadlineMs }));
    this.#telemetry.flush();
    const waits = told.flatMap(({ name }) => this.#external.get(name)?.ended ?? []);
    await Promise.race([Promise.all(waits), later(SHUTDOWN_MS - RUNTIME_SHUTDOWN_MS)]);
  }

  /** Answers a call of the API; undefined when it is none of this one. */
  handle(head: RequestStart, reply: Reply): BodySink | undefined {
    const call = CALL.exec(head.target)?.[1];
    if (call === undefined) return undefined;
    if (call === "register") {
      return collect(REGISTRATION_BYTES_MAX, (body) => this.#register(head, reply, body));
    }
    const extension = this.known(head, reply);
    if (extension === undefined) return IGNORE;
    if (call === "event/next") {
      this.#next(extension, reply);
      return IGNORE;
    }
    const errorType = head.headers.get("lambda-extension-function-error-type");
    if (errorType === undefined) {
      refuse(reply, 403, "Extension.MissingHeader", "The header Lambda-Extension-Function-Error-Type is missing");
      return IGNORE;
    }
    return collect(REGISTRATION_BYTES_MAX, () => {
      reply.send(202, JSON_TYPE, '{"status":"OK"}\n');
      const message = `The extension "${extension.name}" failed: ${errorType.slice(0, 500)}`;
      if (call === "init/error") this.#host.failInit(message);
      else this.#host.note(message);
      if (call === "exit/error" && !this.#isEnding) this.#host.end(1);
    });
  }

  /** The extension that asks, for what only extensions may; else answers why not. */
  known(head: RequestStart, reply: Reply): Extension | undefined {
    const id = head.headers.get("lambda-extension-identifier");
    const extension = this.#byId.get(id ?? "");
    if (id === undefined)
      refuse(reply, 403, "Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header");
    else if (extension === undefined) refuse(reply, 403, "Extension.UnknownExtensionIdentifier", "Unknown extension");
    return extension;
  }

  #register(head: RequestStart, reply: Reply, body: string): void {
    const name = head.headers.get("lambda-extension-name") ?? "";
    if (!/^[^/\0]{1,128}$/.test(name))
      return refuse(reply, 403, "Extension.InvalidExtensionName", "Invalid extension name");
    if (!this.#isInit)
      return refuse(reply, 403, "Extension.RegistrationClosed", "Extension registration closed already");
    const isExternal = this.#external.has(name);
    if ([...this.#byId.values()].some((each) => each.name === name)) {
      return refuse(reply, 403, "Extension.AlreadyRegistered", `Extension "${name}" is registered already`);
    }
    if (this.#byId.size >= EXTENSIONS_MAX) {
      return refuse(reply, 403, "Extension.TooManyExtensions", `Extension limit (${EXTENSIONS_MAX}) reached`);
    }
    const events = eventsOf(body);
    const wrong = events?.find((event) => event !== "INVOKE" && !(event === "SHUTDOWN" && isExternal));
    if (events === undefined)
      return refuse(reply, 400, "InvalidRequestFormat", "Expected a JSON object with a list of events");
    if (wrong !== undefined) return refuse(reply, 403, "Extension.InvalidEventType", `Invalid event type: ${wrong}`);
    const id = crypto.randomUUID();
    this.#byId.set(id, { id, name, isExternal, events, waiting: undefined, held: undefined, isReady: false });
    const { fn, process: settings, account: accountId } = this.#host.load;
    const answer = { functionName: fn?.name, functionVersion: fn?.version, handler: settings?.handler ?? "" };
    const wantsAccount = head.headers.get("lambda-extension-accept-feature")?.includes("accountId");
    const account = wantsAccount ? { accountId } : {};
    reply.send(200, { ...JSON_TYPE, "Lambda-Extension-Identifier": id }, JSON.stringify({ ...answer, ...account }));
  }

  #next(extension: Extension, reply: Reply): void {
    if (extension.waiting !== undefined)
      return refuse(reply, 403, "Extension.InvalidExtensionState", "It waits already");
    extension.isReady = extension.held === undefined;
    extension.waiting = reply;
    reply.onGone = () => {
      if (extension.waiting === reply) extension.waiting = undefined;
    };
    this.#hand(extension);
    if (this.#isInit) this.#progress();
    else this.onSettled();
  }

  /** The instance is ready once the runtime is, and every external extension has registered and waits. */
  #progress(): void {
    const all = [...this.#byId.values()];
    const registered = [...this.#external.keys()].every((name) => all.some((each) => each.name === name));
    if (!this.#isInit || !this.#isRuntimeReady || !registered || !this.isReady) return;
    this.#isInit = false;
    this.#host.ready();
  }

  #tell(type: string, event: string): void {
    for (const extension of this.#byId.values()) {
      if (!extension.events.includes(type)) continue;
      extension.isReady = false;
      extension.held = event;
      this.#hand(extension);
    }
  }

  #hand(extension: Extension): void {
    const { waiting, held } = extension;
    if (waiting === undefined || held === undefined) return;
    extension.waiting = undefined;
    extension.held = undefined;
    waiting.send(200, { ...JSON_TYPE, "Lambda-Extension-Event-Identifier": crypto.randomUUID() }, held);
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
