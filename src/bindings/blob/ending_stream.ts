/** A stream of an object's bytes that ends what it stands on, however it ends. */
import { ended } from "./refused.ts";

/** Where the bytes come from. */
export interface BytesSource {
  /** The next bytes; undefined at the end. @throws {Error} what the stream errors with */
  next(): Promise<Uint8Array | undefined>;
  /** Lets go of it, once: at its end, when it is cancelled, fails, or the signal fires. */
  release(): Promise<void>;
}

/** The stream; it errors when `signal` fires. */
export function endingStream({ next, release }: BytesSource, signal: AbortSignal): ReadableStream<Uint8Array> {
  let over = false;
  const finish = async () => {
    if (over) return;
    over = true;
    signal.removeEventListener("abort", abort);
    await release();
  };
  let fail: (error: unknown) => void = () => {};
  const abort = () => {
    fail(ended());
    finish();
  };
  signal.addEventListener("abort", abort);
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        fail = (error) => controller.error(error);
        if (signal.aborted) abort();
      },
      async pull(controller) {
        try {
          const bytes = await next();
          if (over) return;
          if (bytes !== undefined) return controller.enqueue(bytes);
          await finish();
          controller.close();
        } catch (error) {
          if (over) return;
          await finish();
          controller.error(error);
        }
      },
      cancel: finish,
    },
    { highWaterMark: 0 },
  );
}
