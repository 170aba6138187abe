/**
 * Another function as a program finds it on `env`: `fetch`, and every other name is a method that the function exports.
 *
 * Arguments and results travel as tagged JSON (`wire/tagged.ts`); what may be called, and until when, is the host's to say.
 */
import type { GuestAnswer, GuestBinding, GuestPort } from "../../../core/guest.ts";
import { decodeTagged, encodeTagged } from "../../../wire/tagged.ts";

/** Makes stubs. */
export const functionGuest: GuestBinding = {
  type: "function",
  create: (port, { name }) => createStub(port, name),
};

/** Names that the language asks every object for, and that are never methods: a stub is no promise. */
const NEVER_METHODS = new Set(["then", "catch", "finally", "toJSON", "constructor", "prototype"]);

function createStub(port: GuestPort, name: string): object {
  const fetchOther = createFetch(port, name);
  return new Proxy(Object.assign(Object.create(null), { fetch: fetchOther }), {
    get(_target, key) {
      if (typeof key === "symbol" || NEVER_METHODS.has(key)) return undefined;
      return key === "fetch" ? fetchOther : (...args: unknown[]) => callMethod(port, name, key, args);
    },
  });
}

function createFetch(port: GuestPort, name: string) {
  return async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const request = new Request(input as string, init);
    if (typeof init?.body === "string" && !request.headers.has("content-type")) {
      request.headers.set("content-type", "text/plain;charset=UTF-8");
    }
    const answer = await port.call(name, {
      method: request.method,
      url: request.url,
      headers: [...request.headers],
      body: request.body,
      redirect: "manual",
      signal: init?.signal ?? (input instanceof Request ? input.signal : undefined),
    });
    const response = new Response(answer.body, {
      status: answer.status,
      headers: answer.headers as [string, string][],
    });
    Object.defineProperty(response, "url", { value: request.url });
    return response;
  };
}

async function callMethod(port: GuestPort, name: string, method: string, args: unknown[]): Promise<unknown> {
  const body = new Response(encodeTagged(args)).body;
  const url = `rpc:${encodeURIComponent(method.toWellFormed())}`;
  const answer = await port.call(name, {
    method: "POST",
    url,
    headers: [],
    body,
    redirect: "manual",
    signal: undefined,
  });
  return resultOf(answer, name, method);
}

async function resultOf({ status, body }: GuestAnswer, name: string, method: string): Promise<unknown> {
  if (status === 404) throw new TypeError(`Cannot call env.${name}.${method}: the function exports no such method`);
  const value = decodeTagged(await new Response(body).text());
  if (status !== 200) throw value;
  return value;
}
