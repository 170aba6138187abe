/**
 * The binding port: a capability that the host gives to a function under a name.
 *
 * A guest opens a stream and names what it has on `env`, or `egress`, in its head; the host finds the grant that its
 * instance holds under that name, and hands call and grant to the binding of the grant's type. The binding decides; a
 * guest can name nothing that it does not hold, and ask for nothing that its grant does not hold. Life cycle: one
 * binding object a server and type, `call` any number of times at once, `close` once.
 */
import type { BindingGrant } from "./binding_kinds.ts";
import type { EgressGrant } from "./function.ts";
import type { Body, HeaderList } from "./invocation.ts";

/** The invocation on whose behalf a call is made. */
export interface CallScope {
  readonly requestId: string;
  /** Whose function or key it is. */
  readonly project: string;
  /** Name of the function; undefined for a program that came with its request. */
  readonly functionName: string | undefined;
  /** How many calls of functions stand above the invocation. */
  readonly depth: number;
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

/**
 * Answers a call of the method `CONNECT` with a connection: what is sent on it is the call's body, what it receives the
 * answer's. To what may be reached by TLS under `allow`, an allow-list of egress.
 * @throws {IsopodError} `egress_denied`, `egress_failed`, `bad_request`
 */
export type OpenTunnel = (call: BindingCall, allow: readonly string[], scope: CallScope) => Promise<BindingAnswer>;

/** The rights that a program holds, as far as bindings are concerned. */
export interface Grants {
  readonly egress: EgressGrant;
  /** Whose answers it finds by the Cache API: of a project, and of a plan for programs that came with their request. */
  readonly cacheSpace: string;
  /** By the name on `env`. */
  readonly bindings: ReadonlyMap<string, BindingGrant>;
}

/** The port. Implementations stand in `bindings/`. `Grant` is what a program must hold for a call. */
export interface Binding<Grant = BindingGrant> {
  /** `egress`, `cache`, or a type of `binding_kinds.ts`. */
  readonly type: string;
  /**
   * Answers one call.
   * @throws {IsopodError} of the `user` kind; its code and message reach the program. Anything else is ours and is
   * reported to the program as `internal` without details.
   */
  call(call: BindingCall, grant: Grant, scope: CallScope): Promise<BindingAnswer>;
  /** What the guest's half must know of a grant, beside name and type; nothing when left out. Never a secret. */
  declare?(grant: Grant): Readonly<Record<string, unknown>>;
  /** Removes all that is kept for a project; settles when it is gone. What is under way for it may fail. */
  removeProject?(project: string): Promise<void>;
  /** Ends what the binding holds open. */
  close(): Promise<void>;
}

/** The bindings of a server, by their types. */
export interface BindingSet {
  readonly egress: Binding<EgressGrant> | undefined;
  readonly cache: Binding<string> | undefined;
  /** What may stand on `env`. */
  readonly byType: ReadonlyMap<string, Binding>;
}

/** How much a project may keep. */
export interface DataQuotas {
  /** Bytes that bindings of a type may keep for a project. */
  bytesMax(type: string, project: string): number;
}
