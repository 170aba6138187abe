/**
 * The `runtime-api` dialect: AWS's Lambda Runtime API 2018-06-01, as a runtime finds it at AWS_LAMBDA_RUNTIME_API.
 *
 * One invocation at a time, over when it is answered and the runtime, with every extension, has asked for the next. What a
 * runtime does wrong is answered as AWS answers it; the host is told when an invocation suffers, and ends the instance.
 */
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import type { RequestStart } from "../../guest/http_parser.ts";
import type { BodySink, Reply } from "../../guest/http_reply.ts";
import type { Child } from "./child.ts";
import type { Dialect, DialectHost } from "./dialect.ts";
import { commandOf, functionArn } from "./environment.ts";
import type { Extensions } from "./extensions.ts";
import { Grace } from "./grace.ts";
import { EVENT_BYTES_MAX, EventInvocation, type InvocationOwner } from "./invocation.ts";
import { PlatformRecord } from "./platform_record.ts";
import { collect, IGNORE } from "./replies.ts";
import { functionError, type ResponseEnd, responseSink } from "./responses.ts";
import { readCall } from "./runtime_calls.ts";
import { accept, eventHeaders, refuseBy } from "./runtime_replies.ts";
import * as states from "./runtime_state.ts";
import type { Telemetry } from "./telemetry.ts";

/** The dialect. */
export class RuntimeApi implements Dialect, InvocationOwner {
  readonly #host: DialectHost;
  readonly #extensions: Extensions;
  readonly #grace: Grace;
  readonly #arn: string;
  readonly #record: PlatformRecord;
  #child: Child | undefined;
  #state: states.RuntimeState = "RuntimeStarted";
  readonly #waiting = new Set<Reply>();
  #invocation: EventInvocation | undefined;

  constructor(host: DialectHost, extensions: Extensions, telemetry: Telemetry) {
    this.#host = host;
    this.#extensions = extensions;
    this.#arn = functionArn(host.load);
    this.#grace = new Grace(host.load.process?.graceMs ?? 0, () => (this.#child === undefined ? [] : [this.#child]));
    this.#record = new PlatformRecord(host, telemetry);
    extensions.onSettled = () => this.#settle();
  }

  get current(): number {
    return this.#invocation?.stream.id ?? 0;
  }

  start(): void {
    this.#record.initStart();
    this.#extensions.start();
    this.#child = this.#host.start(commandOf(this.#host.load), { pipes: false });
  }

  open(stream: WireStream, head: Uint8Array): StreamEvents {
    const invocation = new EventInvocation(stream, head, this.#host.load.process?.event ?? "http", this);
    this.#invocation = invocation;
    return invocation;
  }

  arrived(invocation: EventInvocation): void {
    this.#grace.begin(invocation.deadline);
    this.#record.start(invocation);
    this.#extensions.invoke(invocation, invocation.calledArn ?? this.#arn);
    this.#deliver();
  }

  gone(): void {
    this.#host.end(0);
  }

  get isTimedOut(): boolean {
    return this.#grace.hasStruck && this.#invocation?.isOver === false;
  }

  shutDown(): Promise<void> {
    return this.#extensions.shutDown(this.#child);
  }

  /** Answers a call of the API; undefined when it is none of this one. */
  handle(head: RequestStart, reply: Reply): BodySink | undefined {
    const call = readCall(head);
    if (call === undefined) return undefined;
    if (call.kind === "init") return this.#initError(head, reply);
    if (call.kind === "response") return this.#response(head, reply, call.id);
    if (call.kind === "error") return this.#error(head, reply, call.id);
    if (call.kind === "method") reply.send(405, { allow: call.allow });
    else this.#next(reply);
    return IGNORE;
  }

  #next(reply: Reply): void {
    const error = states.transitionError(this.#state, "RuntimeReady");
    if (error !== undefined) return refuseBy(reply, error);
    if (this.#state === "RuntimeRunning") return this.#hand(reply);
    const before = this.#state;
    this.#state = "RuntimeReady";
    this.#waiting.add(reply);
    reply.onGone = () => this.#waiting.delete(reply);
    if (before === "RuntimeStarted") {
      this.#record.initDone();
      this.#extensions.runtimeReady();
    }
    if (before === "RuntimeResponseSent") this.#settle();
    this.#deliver();
  }

  #deliver(): void {
    const invocation = this.#invocation;
    if (invocation === undefined || invocation.event.length === 0 || this.#state !== "RuntimeReady") return;
    const [reply] = this.#waiting;
    if (reply === undefined) return;
    this.#waiting.delete(reply);
    this.#state = "RuntimeRunning";
    this.#hand(reply);
  }

  #hand(reply: Reply): void {
    const invocation = this.#invocation as EventInvocation;
    reply.send(200, eventHeaders(invocation, this.#arn), invocation.event);
  }

  #response(head: RequestStart, reply: Reply, id: string): BodySink {
    const invocation = this.#enter("RuntimeInvocationResponse", reply, id);
    if (invocation === undefined) return IGNORE;
    const end: ResponseEnd = {
      complete: () => this.#answered(invocation, reply),
      refused: (error) => refuseBy(reply, error),
    };
    const sink = responseSink(invocation, head.headers, reply, end);
    if (sink !== undefined) return sink;
    invocation.fail("dialect_error", 'The program answered in a mode that is none: expected "streaming"');
    refuseBy(reply, states.INVALID_RESPONSE_MODE);
    return IGNORE;
  }

  #error(head: RequestStart, reply: Reply, id: string): BodySink {
    const invocation = this.#enter("RuntimeInvocationErrorResponse", reply, id);
    if (invocation === undefined) return IGNORE;
    const type = head.headers.get("lambda-runtime-function-error-type");
    const told = (body: string) => this.#answered(invocation, reply, functionError(type, body));
    return collect(EVENT_BYTES_MAX, told, () => invocation.fail("dialect_error", "The program's error was cut off."));
  }

  #initError(head: RequestStart, reply: Reply): BodySink {
    const error = states.transitionError(this.#state, "RuntimeInitError");
    if (error !== undefined) {
      refuseBy(reply, error);
      return IGNORE;
    }
    this.#state = "RuntimeInitError";
    return collect(EVENT_BYTES_MAX, (body) => {
      const [, message, stack] = functionError(head.headers.get("lambda-runtime-function-error-type"), body);
      accept(reply);
      this.#host.failInit(message, stack);
    });
  }

  /** Goes over to a state in which an answer comes, for the present invocation; else answers why not. */
  #enter(to: states.RuntimeState, reply: Reply, id: string): EventInvocation | undefined {
    const invocation = this.#invocation;
    const error = states.transitionError(this.#state, to);
    if (error !== undefined) {
      refuseBy(reply, error);
      this.#host.note(`The program answered when it was not asked: ${error.errorMessage}`);
      // Who answers twice does not know which invocation it is at.
      if (this.#state === "RuntimeResponseSent") {
        this.#host.settled(invocation?.stream, `The program answered the invocation "${id}" twice.`);
      }
      return undefined;
    }
    if (invocation === undefined || invocation.id !== id) {
      refuseBy(reply, states.INVALID_REQUEST_ID);
      invocation?.fail("dialect_error", `The program answered the invocation "${id}", which is not the present one.`);
      return undefined;
    }
    this.#state = to;
    return invocation;
  }

  #answered(invocation: EventInvocation, reply: Reply, error?: ReturnType<typeof functionError>): void {
    this.#state = "RuntimeResponseSent";
    this.#record.runtimeDone(invocation, error?.[1].split(":", 1)[0]);
    if (error !== undefined) invocation.fail(...error, true);
    else invocation.finish(true);
    this.#host.flush();
    accept(reply);
  }

  /** The invocation is over once everybody is ready for another. */
  #settle(): void {
    const invocation = this.#invocation;
    if (invocation?.isOver !== true || this.#state !== "RuntimeReady" || !this.#extensions.isReady) return;
    this.#grace.end();
    this.#invocation = undefined;
    this.#record.report(invocation, this.#child?.pid);
    this.#host.settled(invocation.stream);
  }
}
