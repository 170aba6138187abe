/** Requests to the store that one call makes at a time. */
const REQUESTS_MAX = 16;

/** Does a step for each, a few at a time; the first that fails fails all, and those that have begun go on. */
export async function eachAtOnce<T>(all: readonly T[], step: (each: T, at: number) => Promise<void>): Promise<void> {
  const left = all.entries();
  const work = async () => {
    for (const [at, each] of left) await step(each, at);
  };
  await Promise.all(Array.from({ length: Math.min(REQUESTS_MAX, all.length) }, work));
}
