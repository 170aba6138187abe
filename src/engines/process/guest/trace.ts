/** The trace of an invocation whose caller names none, as AWS X-Ray writes it (its page "Tracing header"). */

/** Made of the request's id, so that each can be found from the other. */
export function traceOf(requestId: string): string {
  const hex = /^[0-9a-f]{24,64}$/.test(requestId) ? requestId : Buffer.from(requestId.padEnd(12, "0")).toString("hex");
  const seconds = Math.floor(Date.now() / 1000).toString(16);
  return `Root=1-${seconds}-${hex.slice(-24)};Parent=${hex.slice(0, 16)};Sampled=0`;
}
