/** What bounds schedules and queues. */

/** Bytes, counts and times. */
export const TRIGGER_LIMITS = {
  messageBytesMax: 128 * 1024,
  sendMessagesMax: 100,
  sendBytesMax: 256 * 1024,
  delayMsMax: 12 * 3600 * 1000,
  /** A message that nobody took for so long is dropped. */
  retentionMs: 4 * 86_400_000,
  /** What a message counts beside its body. */
  entryBytes: 128,
  /** Messages that one look at a queue reads; it goes on from there. */
  scanMax: 1000,
  /** How often a queue is looked at for what other servers have put into it. */
  pollMs: 5000,
  /** How late a run may begin, before it counts as missed. */
  lateMsMax: 60_000,
  /** Clocks are set and machines sleep: schedules are looked at so often at least. */
  lookMsMax: 30_000,
  /** Missed times of one schedule that are counted at once; looking for one takes a tenth of a millisecond. */
  missedMax: 100,
  /** A schedule whose last time is further ahead than this was claimed by a clock that was wrong. */
  aheadMsMax: 86_400_000,
  /** Schedules that are read and claimed at a time. */
  claimsAtATime: 32,
  /** How long a run is tried anew while the server has no room for it. */
  busyMsMax: 10_000,
  /** What a lease is longer than the function may run. */
  leaseSlackMs: 10_000,
} as const;
