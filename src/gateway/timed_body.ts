/**
 * A request's body that must keep coming: a pause that is too long fails it with `body_timeout`.
 *
 * Only time in which somebody waits for a piece counts: a function may read as slowly as its own limits let it.
 */
import type { Clock } from "../core/clock.ts";
import { IsopodError } from "../core/errors.ts";

/** `body`, whose pauses may last up to `idleMs`. Cancelling it cancels `body`. */
export function timedBody(body: ReadableStream<Uint8Array>, idleMs: number, clock: Clock): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  const read = (): ReturnType<typeof reader.read> =>
    new Promise((resolve, reject) => {
      const cancel = clock.after(idleMs, () => {
        const seconds = idleMs / 1000;
        reject(new IsopodError("body_timeout", { message: `Nothing of the request's body came for ${seconds} s.` }));
        reader.cancel().catch(() => {});
      });
      reader.read().then(resolve, reject).finally(cancel);
    });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
