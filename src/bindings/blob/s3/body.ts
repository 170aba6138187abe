/** What the store sends of an object, held against the length that it has told. */
import { IsopodError } from "../../../core/errors.ts";
import { ended } from "../refused.ts";

/**
 * The stream; it errors where bytes are missing or too many, and when `signal` fires.
 * @param closed is called once it is over, however it ends
 */
export function checkedBody(
  body: ReadableStream<Uint8Array> | null,
  bytes: number,
  signal: AbortSignal,
  closed: () => void,
): ReadableStream<Uint8Array> {
  const reader = body?.getReader();
  let left = bytes;
  let over = false;
  const finish = () => {
    if (over) return;
    over = true;
    signal.removeEventListener("abort", abort);
    reader?.cancel().catch(() => {});
    closed();
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
          for (;;) {
            const { value, done } = (await reader?.read()) ?? { done: true };
            if (over) return;
            left -= value?.length ?? 0;
            if (left < 0 || (done && left > 0)) throw cutOff();
            if (value !== undefined && value.length > 0) return controller.enqueue(value);
            if (done) break;
          }
          finish();
          controller.close();
        } catch (cause) {
          if (over) return;
          finish();
          controller.error(cause instanceof IsopodError ? cause : cutOff(cause));
        }
      },
      cancel: finish,
    },
    { highWaterMark: 0 },
  );
}

function cutOff(cause?: unknown): IsopodError {
  const message = "Cannot get: what the store has sent is not as long as the object";
  return new IsopodError("binding_failed", { message, cause });
}
