/** The limits of egress as a whole, with their defaults; those of one invocation are in `core/limits.ts`. */

/** What bounds egress as a whole; the limits of an invocation are its scope's. */
export interface EgressLimits {
  /** Resolving a name and connecting, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** From the request to the response's head, in milliseconds. */
  readonly headTimeoutMs: number;
  /** Silence of a server whose body is being read, in milliseconds. */
  readonly responseIdleMs: number;
  /** Head of a request or a response. */
  readonly headBytesMax: number;
  /** Request body that is kept to be sent again after a 307 or 308. */
  readonly replayBytesMax: number;
  /** Calls under way, of all programs. */
  readonly callsMax: number;
  /** Calls under way of one function, or of one program that came with its request. */
  readonly callsPerOwnerMax: number;
  readonly idleConnectionsMax: number;
  /** Life of an unused connection, in milliseconds. */
  readonly idleConnectionMs: number;
}

/** The limits when none are given. */
export const EGRESS_LIMITS: EgressLimits = {
  connectTimeoutMs: 10_000,
  headTimeoutMs: 60_000,
  responseIdleMs: 30_000,
  headBytesMax: 64 * 1024,
  replayBytesMax: 64 * 1024,
  callsMax: 4096,
  callsPerOwnerMax: 512,
  idleConnectionsMax: 256,
  idleConnectionMs: 10_000,
};
