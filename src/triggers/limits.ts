/** What bounds schedules and queues. */

/** Bytes, counts and times. */
export const TRIGGER_LIMITS = {
  messageBytesMax: 128 * 1024,
  sendMessagesMax: 100,
  sendBytesMax: 256 * 1024,
  delayMsMax: 12 * 3600 * 1000,
  /** A message that nobody took for so long is dropped. */
  retentionMs: 4 * 86_400_000,
  /** What a message counts beside its body: its place in the store, and what looking after it costs. */
  entryBytes: 1024,
  /** Bodies of one call: a batch that is larger is cut. */
  batchBytesMax: 1024 * 1024,
  /** Messages that are read at once. */
  pageMax: 100,
  /** Messages of a queue whose times are kept in memory. */
  windowMax: 10_000,
  /** How often a queue is looked at for what other servers have put into it; reading it all is a twentieth of the time. */
  pollMs: 5000,
  pollShare: 20,
  /** How old the count of a project's messages may be, before it is counted anew for a send that it would refuse. */
  countAgeMsMax: 60_000,
  /** How often queues that nobody consumes are looked through for what is too old. */
  sweepMs: 600_000,
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
