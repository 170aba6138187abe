/**
 * One invocation on one instance, seen from the host: what goes out, what comes back, and what it may use.
 *
 * It holds the guest to the protocol and to the limits that are counted in bytes; time, processor and memory are the
 * supervisor's. Whatever ends it is named once, and everybody who waits for it hears the same.
 */
import { IsopodError } from "../core/errors.ts";
import type { InvocationRequest, InvocationResponse } from "../core/invocation.ts";
import { type Deferred, deferred } from "../stdx/deferred.ts";
import { parseReset } from "../wire/heads.ts";
import type { StreamEvents, WireStream } from "../wire/stream.ts";
import { AnswerBody, type BodyOwner } from "./answer.ts";
import type { ReadHead } from "./answer_heads.ts";
import type { OwnedCall } from "./call_owner.ts";
import { CallerWatch } from "./caller_watch.ts";
import { limitError, type Meter } from "./figures.ts";
import { errorFromGuest } from "./guest_error.ts";
import { EndSignal, InvocationAnswer } from "./invocation_answer.ts";
import type { InvocationOwner } from "./invocation_owner.ts";
import { openMeteredSocket } from "./metered_socket.ts";
import { RequestBodyPump } from "./request_body.ts";
import type { FunctionSocket } from "./socket.ts";

/** An invocation that has been handed to an instance. */
export class RunningInvocation implements StreamEvents, BodyOwner {
  readonly request: InvocationRequest;
  readonly meter: Meter;
  #calls: Set<OwnedCall> | undefined;
  readonly answered: Deferred<InvocationResponse> = deferred();
  readonly #owner: InvocationOwner<RunningInvocation>;
  readonly #end = new EndSignal();
  readonly #body = new AnswerBody(this);
  #caller: CallerWatch | undefined;
  #stream: WireStream | undefined;
  #head: ReadHead | undefined;
  #upload: RequestBodyPump | undefined;
  #socket: FunctionSocket | undefined;
  #answerDone = false;
  /** What it has failed of, while its program is not ready for another: not even its caller's leaving makes it so. */
  #failure: IsopodError | undefined;
  #over = false;

  constructor(request: InvocationRequest, meter: Meter, owner: InvocationOwner<RunningInvocation>) {
    this.request = request;
    this.meter = meter;
    this.#owner = owner;
  }

  /** The calls of bindings that are under way for it; they end with it. */
  get calls(): Set<OwnedCall> {
    this.#calls ??= new Set();
    return this.#calls;
  }

  consumed(bytes: number): void {
    // A script writes without credit, and does not read while it waits for nothing.
    if (this.#head?.script !== true) this.#stream?.consumed(bytes);
    this.#owner.relieved();
  }

  cancelled(): void {
    if (this.#failure === undefined) this.fail(new IsopodError("client_gone"));
  }

  /** Whether everything about it is over. */
  get over(): boolean {
    return this.#over;
  }
  /** Whether its answer is complete; what the program still does for it may go on. */
  get isAnswered(): boolean {
    return this.#answerDone;
  }
  /** Bytes of the answer that have arrived and not been read. */
  get waitingBytes(): number {
    return this.#body.waitingBytes;
  }
  get streamId(): number {
    return this.#stream?.id ?? 0;
  }

  /** Ends with its caller from now on; not at once, since a signal costs 5 µs and most invocations are short. */
  watchCaller(): void {
    if (!this.#over && this.#socket === undefined)
      this.#caller ??= new CallerWatch(this.request, () => this.cancelled());
  }

  /** Begins: the stream is open, the head is sent. */
  begin(stream: WireStream): void {
    this.#stream = stream;
    const { body, webSocket } = this.request;
    if (webSocket) return;
    if (body === null) return stream.end();
    this.#upload = new RequestBodyPump(body, stream, this.meter.limits, (error) => this.fail(error));
    this.#upload.run();
  }

  head(payload: Uint8Array): void {
    const head = this.#owner.heads.read(payload);
    this.#head = head;
    // At once: messages may follow in the same chunk. From then on the client's hanging up is a close of the socket.
    if (head.webSocket && this.request.webSocket && this.#stream !== undefined) {
      this.#socket = openMeteredSocket(this.#stream, this.meter, this.#owner);
      this.#caller?.stop();
    }
    // In a microtask all frames of this chunk have been read, and a short body is there as a whole.
    queueMicrotask(() => this.#answer());
  }

  data(payload: Uint8Array): void {
    this.meter.responseBytes += payload.length;
    if (this.#socket !== undefined) return this.#socket.receive(payload);
    if (this.meter.responseBytes > this.meter.limits.responseBytesMax) {
      return this.breakBy(limitError("response_limit", "responseBytesMax", this.meter.limits));
    }
    this.#body.push(payload);
  }

  end(payload: Uint8Array): void {
    this.#answerDone = true;
    this.#body.end();
    this.#socket?.receiveEnd();
    // Anything else in it says that after-work goes on.
    if (payload.length === 0) this.#finish(undefined);
  }

  reset(payload: Uint8Array): void {
    // The end of an instance resets what it has not read of a request; the answer may have been complete before.
    if (this.#over || this.#failure !== undefined) return;
    const reason = parseReset(payload);
    const error = errorFromGuest(reason, this.request.entry === "hook");
    if (reason.waits !== true) return this.#giveUp(error);
    // The caller is told now; the instance is free once its program is ready.
    this.#failure = error;
    this.#answerDone = true;
    this.request.observer?.ended?.({ error, figures: this.meter.figures(this.#owner.now()) });
    this.#tell(error);
  }

  writable(): void {
    this.#upload?.resume();
    this.#socket?.writable();
  }

  /** The guest says that the after-work is over, or in `payload` what it failed of. */
  workFinished(payload: Uint8Array): void {
    if (!this.#answerDone) return;
    this.#finish(payload.length === 0 ? this.#failure : errorFromGuest(parseReset(payload)));
  }

  /** The program has broken a limit: its instance decides what ends with it. */
  breakBy(error: IsopodError): void {
    if (!this.#over) this.#owner.broke(this, error);
  }

  /** Ends the invocation because of `error`; the guest is told to give it up. */
  fail(error: IsopodError): void {
    if (this.#over) return;
    this.#stream?.reset();
    this.#giveUp(error);
  }

  #giveUp(error: IsopodError): void {
    if (this.#failure === undefined) this.#tell(error);
    // An answer that was complete stays so; what fails afterwards is in the record.
    this.#finish(error);
  }

  #tell(error: IsopodError): void {
    // Somebody who wants what was written before the failure gets an answer, whose body fails after it.
    const begun = this.request.partial === true && this.#head !== undefined;
    this.#body.fail(error, begun);
    this.#socket?.cut(error);
    if (!begun) this.answered.reject(error);
  }

  #finish(error: IsopodError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#caller?.stop();
    this.#upload?.stop();
    // A request's body that nobody waits for, or a socket that was declined: our direction would stay open.
    this.#stream?.reset();
    if (this.#calls !== undefined) for (const call of this.#calls) call.invocationEnded(error);
    this.#owner.finished(this, error);
    const figures = this.meter.figures(this.#owner.now());
    const end = error === undefined ? { figures } : { error, figures };
    this.#end.settle(end);
    this.request.observer?.ended?.(end);
  }

  #answer(): void {
    const head = this.#head as ReadHead;
    if (head.webSocket && this.#socket === undefined) {
      const message = "Cannot accept a WebSocket: the request asked for none";
      return this.fail(new IsopodError("invalid_result", { message }));
    }
    const body = this.#socket === undefined ? this.#body.open() : null;
    this.answered.resolve(new InvocationAnswer(head, this.request.method, body, this.#socket, this.#end));
  }
}
