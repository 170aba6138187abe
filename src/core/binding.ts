/**
 * The binding port: a capability that the host gives to a function under a name.
 *
 * A guest opens a stream and names the binding in its head; the host finds the grant of the invocation for which the
 * call is made and hands both to the binding. The binding decides; the guest can ask for nothing that its grant does
 * not hold. Life cycle: one binding object a server, `call` any number of times at once, `close` once.
 */
import type { EgressGrant } from "./function.ts";
import type { Body, HeaderList } from "./invocation.ts";

/** The invocation on whose behalf a call is made. */
export interface CallScope {
  readonly requestId: string;
  /** Name of the function; undefined for a program that came with its request. */
  readonly functionName: string | undefined;
  /** Fires when the invocation ends or the guest gives the call up; everything of the call must end with it. */
  readonly signal: AbortSignal;
  /** Milliseconds since the Unix epoch at which the invocation ends. */
  readonly deadline: number;
  /** Counts one outgoing request. @throws {IsopodError} `subrequest_limit` */
  countSubrequest(): void;
  /** Counts bytes that were received. @throws {IsopodError} `subrequest_limit` */
  countSubrequestBytes(bytes: number): void;
}

/** What a guest asks of a binding; shaped as an HTTP request, whatever the binding makes of it. */
export interface BindingCall {
  readonly method: string;
  readonly url: string;
  readonly headers: HeaderList;
  readonly body: ReadableStream<Uint8Array> | null;
  /** `fetch`'s redirect mode. */
  readonly redirect: "follow" | "manual" | "error";
}

/** What a binding answers. */
export interface BindingAnswer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly body: Body;
  /** Address that answered in the end, and whether redirects led there. */
  readonly url: string;
  readonly redirected: boolean;
}

/** The rights that a program holds, as far as bindings are concerned. */
export interface Grants {
  readonly egress: EgressGrant;
}

/** The port. Implementations stand in `bindings/`. */
export interface Binding {
  /** The name that a guest's call gives. */
  readonly name: string;
  /**
   * Answers one call.
   * @throws {IsopodError} of the `user` kind; its code and message reach the program. Anything else is ours and is
   * reported to the program as `internal` without details.
   */
  call(call: BindingCall, grants: Grants, scope: CallScope): Promise<BindingAnswer>;
  /** Ends what the binding holds open. */
  close(): Promise<void>;
}
