/** The messages of JSON-RPC 2.0: what a call looks like, what answers and errors look like. */

import { parseBoundedJson } from "../core/bounded_json.ts";
import { errorBody, IsopodError, toIsopodError } from "../core/errors.ts";

/** The standard's codes. */
export const RPC_CODES = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  /** The server's own: an invocation that was ended; `data` has our code. */
  serverError: -32000,
} as const;

type RpcId = string | number | null;

/** A call that is one. */
export interface RpcCall {
  readonly method: string;
  /** The parameters as JSON; undefined when there are none. */
  readonly argsJson: string | undefined;
  /** Undefined for a notification, which has no answer. */
  readonly id: RpcId | undefined;
}

/** An answer. */
export type RpcAnswer =
  | { readonly jsonrpc: "2.0"; readonly id: RpcId; readonly result: unknown }
  | {
      readonly jsonrpc: "2.0";
      readonly id: RpcId;
      readonly error: { readonly code: number; readonly message: string; readonly data?: unknown };
    };

type RpcError = Extract<RpcAnswer, { error: unknown }>;

const METHOD_LENGTH_MAX = 256;

/** An error as an answer. */
export function rpcError(id: RpcId, code: number, message: string, data?: unknown): RpcError {
  return { jsonrpc: "2.0", id, error: { code, message, ...(data !== undefined && { data }) } };
}

/** Reads a call; what is none is answered with an error. */
export function parseCall(value: unknown): RpcCall | RpcError {
  const invalid = (why: string) => rpcError(null, RPC_CODES.invalidRequest, `Expected a call: ${why}`);
  if (typeof value !== "object" || value === null || Array.isArray(value)) return invalid("it is not an object");
  const { jsonrpc, method, params, id } = value as Record<string, unknown>;
  if (jsonrpc !== "2.0") return invalid('its "jsonrpc" is not "2.0"');
  if (id !== undefined && id !== null && typeof id !== "string" && typeof id !== "number") {
    return invalid('its "id" is neither a string nor a number');
  }
  if (typeof method !== "string" || method === "" || method.length > METHOD_LENGTH_MAX) {
    return rpcError(
      id ?? null,
      RPC_CODES.invalidRequest,
      `Expected a method's name of up to ${METHOD_LENGTH_MAX} characters`,
    );
  }
  if (params !== undefined && (typeof params !== "object" || params === null)) {
    return rpcError(id ?? null, RPC_CODES.invalidParams, "Expected the parameters as a list or an object");
  }
  return { method, argsJson: params === undefined ? undefined : JSON.stringify(params), id };
}

/** What ended an invocation. A result that is none is the method's internal error. */
export function serverError(id: RpcId, error: IsopodError, requestId: string): RpcError {
  const code = error.code === "invalid_result" ? RPC_CODES.internalError : RPC_CODES.serverError;
  const body = errorBody(error, requestId);
  return rpcError(id, code, body.message, body);
}

/** The error that a method threw on purpose: its own code, message and data. */
function failureAnswer(id: RpcId, value: unknown): RpcError {
  const { code, message, data } = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  if (typeof code !== "number" || !Number.isInteger(code))
    return rpcError(id, RPC_CODES.internalError, "Internal error");
  return rpcError(id, code, typeof message === "string" ? message : "", data);
}

/** What the guest's answer says; it is as hostile as its function, and read as such. */
export function answerOf(status: number, text: string, { id = null, method }: RpcCall): RpcAnswer {
  if (status === 404) return rpcError(id, RPC_CODES.methodNotFound, `The function exports no method "${method}"`);
  const value = readResult(text);
  return status === 400 ? failureAnswer(id, value) : { jsonrpc: "2.0", id, result: value };
}

function readResult(text: string): unknown {
  try {
    return parseBoundedJson(text, "the result");
  } catch (error) {
    throw new IsopodError("invalid_result", { message: toIsopodError(error).message });
  }
}
