/**
 * What a guest is told when an outgoing request fails: a sentence of ours and the code, never a foreign message. Those
 * hold addresses that a name resolved to, or header values with secrets in them; they go to our log as the cause.
 */
import { IsopodError } from "../../core/errors.ts";
import { failed } from "./request.ts";

/** The connection is gone: before it was used again, or without a byte of the response. */
export class ConnectionLost extends Error {
  override name = "ConnectionLost";
}

/** A phase took longer than it may. */
export class PhaseTimeout extends Error {
  override name = "PhaseTimeout";
}

const SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  ENOTFOUND: "the host name does not resolve",
  ENODATA: "the host name has no address",
  EAI_AGAIN: "the host name could not be resolved for now",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the host's network cannot be reached",
  ETIMEDOUT: "the connection timed out",
  UND_ERR_HEADERS_OVERFLOW: "the response's head is too large",
  UND_ERR_SOCKET: "the connection was closed before the response was complete",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "the response's body is not as long as its head says",
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: "the request's body is not as long as its head says",
  UND_ERR_INVALID_ARG: "the request cannot be sent as HTTP/1.1",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for another host",
};

/** `error` as what the guest may see of it; errors of the catalogue stay as they are. */
export function explain(subject: string, error: unknown): IsopodError {
  if (error instanceof IsopodError) return error;
  if (error instanceof PhaseTimeout) return failed(`Cannot fetch ${subject}: ${error.message}`, error);
  if (error instanceof ConnectionLost) return failed(`Cannot fetch ${subject}: the connection was closed`, error);
  if (error instanceof Error && error.name === "HTTPParserError") {
    return failed(`Cannot fetch ${subject}: the response is not valid HTTP/1.1`, error);
  }
  const code = codeOf(error);
  return failed(`Cannot fetch ${subject}: ${SENTENCES[code] ?? sentenceOf(code)}${code && ` (${code})`}`, error);
}

/** An error of a decoder as what the guest may see of it; errors of the catalogue stay as they are. */
export function explainDecoding(subject: string, error: unknown): IsopodError {
  if (error instanceof IsopodError) return error;
  return failed(`Cannot fetch ${subject}: its body is not coded as its head says, or is cut off`, error);
}

/**
 * Whether a request on a connection that had been idle failed because the server had closed it meanwhile, so that it
 * may be sent once more: it never left, or it asks for nothing but an answer.
 */
export function wasLost(error: unknown, method: string): boolean {
  if (error instanceof ConnectionLost) return true;
  return (method === "GET" || method === "HEAD") && ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(codeOf(error));
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^[A-Z0-9_]{1,64}$/.test(code) ? code : "";
}

function sentenceOf(code: string): string {
  if (code.startsWith("DNS_") || code.startsWith("EAI_")) return "the host name does not resolve";
  if (/CERT|TLS|SSL|CHAIN|ISSUER|SIGNATURE/.test(code))
    return "the server's certificate or TLS handshake was not accepted";
  return "the connection failed";
}
