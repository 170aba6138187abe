/**
 * The conformance suite of the binding port: what every binding owes the host, whatever it gives to programs.
 *
 * A binding's test calls `describeBinding` with calls of its own kind; the rest of its behaviour is its own tests'.
 */
import { describe, expect, test } from "bun:test";
import type { Binding, BindingAnswer, BindingCall, CallScope } from "../core/binding.ts";
import { IsopodError } from "../core/errors.ts";

/** A scope whose counts a test can read and whose end it can cause. */
export interface FakeScope extends CallScope {
  readonly ender: AbortController;
  subrequests: number;
  bytes: number;
}

/** Limits and identity of a fake scope. */
export interface FakeScopeOptions {
  readonly subrequestsMax?: number;
  readonly bytesMax?: number;
  readonly functionName?: string | undefined;
  readonly requestId?: string;
}

/** Creates a scope that counts and refuses as the host's do. */
export function fakeScope(options: FakeScopeOptions = {}): FakeScope {
  const { subrequestsMax = 1000, bytesMax = Number.POSITIVE_INFINITY } = options;
  const ender = new AbortController();
  return {
    requestId: options.requestId ?? "test-request",
    project: "default",
    functionName: "functionName" in options ? options.functionName : "test",
    depth: 0,
    signal: ender.signal,
    deadline: Date.now() + 60_000,
    ender,
    subrequests: 0,
    bytes: 0,
    countSubrequest() {
      if (++this.subrequests > subrequestsMax) throw struck("subrequestsMax", subrequestsMax);
    },
    countSubrequestBytes(bytes) {
      this.bytes += bytes;
      if (this.bytes > bytesMax) throw struck("subrequestBytesMax", bytesMax);
    },
  };
}

/** A GET of `url`, or what `more` makes of it. */
export function bindingCall(url: string, more: Partial<BindingCall> = {}): BindingCall {
  return { method: "GET", url, headers: [], body: null, redirect: "follow", ...more };
}

/** The whole body of an answer as text. */
export async function answerText(answer: BindingAnswer): Promise<string> {
  return await new Response(answer.body as ReadableStream<Uint8Array> | null).text();
}

/** What `promise` rejects with; fails when it does not, or not with an error that a program may see. */
export async function userErrorOf(promise: Promise<unknown>): Promise<IsopodError> {
  const error = await promise.then(
    (value) => new Error(`Expected an error, got ${String(value).slice(0, 200)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof IsopodError)) throw error;
  expect(error.kind).toBe("user");
  return error;
}

/** One binding under test with its world. */
export interface BindingSubject<Grant> {
  readonly binding: Binding<Grant>;
  readonly grant: Grant;
  /** Whether its calls are outgoing requests, and counted as such. */
  readonly countsRequests: boolean;
  /** A call that succeeds. */
  readonly good: BindingCall;
  /** A call that the grant does not hold. */
  readonly denied: BindingCall;
  /** A call that is answered by no head until it is ended. */
  readonly silent: BindingCall;
  /** A call whose body begins and does not end by itself; none where answers are whole. */
  readonly endless?: BindingCall;
  /** Settles once the far side holds nothing open for the binding any more. */
  gone(): Promise<void>;
  close(): Promise<void>;
}

const CASES: Readonly<Record<string, <Grant>(subject: BindingSubject<Grant>) => Promise<void>>> = {
  "answers a call within its grant": async ({ binding, grant, good, countsRequests }) => {
    const scope = fakeScope();
    const answer = await binding.call(good, grant, scope);
    await answerText(answer);
    expect(answer.status).toBe(200);
    expect(scope.subrequests).toBe(countsRequests ? 1 : 0);
  },

  "refuses a call outside its grant with an error of the program's kind": async ({ binding, grant, denied }) => {
    await userErrorOf(binding.call(denied, grant, fakeScope()));
  },

  "refuses once the scope's count of requests is used up": async ({ binding, grant, good, countsRequests }) => {
    if (!countsRequests) return;
    const error = await userErrorOf(binding.call(good, grant, fakeScope({ subrequestsMax: 0 })));
    expect(error.code).toBe("subrequest_limit");
  },

  "makes no call for a scope that has ended": async ({ binding, grant, good }) => {
    const scope = fakeScope();
    scope.ender.abort();
    await userErrorOf(binding.call(good, grant, scope));
  },

  "ends a call without a head when its scope ends": async ({ binding, grant, silent, gone }) => {
    const scope = fakeScope();
    const call = userErrorOf(binding.call(silent, grant, scope));
    setImmediate(() => scope.ender.abort());
    await call;
    await gone();
  },

  "errors a body that is being read when its scope ends": async ({ binding, grant, endless, gone }) => {
    if (endless === undefined) return;
    const scope = fakeScope();
    const answer = await binding.call(endless, grant, scope);
    const read = userErrorOf(answerText(answer));
    scope.ender.abort();
    await read;
    await gone();
  },

  "lets go when the body is cancelled": async ({ binding, grant, endless, gone }) => {
    if (endless === undefined) return;
    const answer = await binding.call(endless, grant, fakeScope());
    await (answer.body as ReadableStream<Uint8Array>).cancel();
    await gone();
  },

  "errors what is under way when it is closed, leaves nothing open and takes no more calls": async ({
    binding,
    grant,
    good,
    silent,
    endless,
    gone,
  }) => {
    const answer = endless && (await binding.call(endless, grant, fakeScope()));
    const reading = answer && userErrorOf(answerText(answer));
    const waiting = userErrorOf(binding.call(silent, grant, fakeScope()));
    await binding.close();
    await reading;
    await waiting;
    await gone();
    await userErrorOf(binding.call(good, grant, fakeScope()));
  },
};

/** Declares the suite for the binding that `create` makes, a fresh one for each test. */
export function describeBinding<Grant>(name: string, create: () => Promise<BindingSubject<Grant>>): void {
  describe(`binding ${name}`, () => {
    for (const [what, run] of Object.entries(CASES)) {
      test(what, async () => {
        const subject = await create();
        try {
          await run(subject);
        } finally {
          await subject.binding.close();
          await subject.close();
        }
      });
    }
  });
}

function struck(name: string, value: number): IsopodError {
  return new IsopodError("subrequest_limit", { limit: { name, value } });
}
