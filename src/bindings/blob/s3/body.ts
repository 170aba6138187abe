/** What the store sends of an object, held against the length that it has told. */
import { IsopodError } from "../../../core/errors.ts";
import { endingStream } from "../ending_stream.ts";

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
  const read = async () => {
    for (;;) {
      const { value, done } = (await reader?.read()) ?? { done: true };
      left -= value?.length ?? 0;
      if (left < 0 || (done && left > 0)) throw cutOff();
      if (done || (value !== undefined && value.length > 0)) return value;
    }
  };
  return endingStream(
    {
      next: () => read().catch((cause) => Promise.reject(cause instanceof IsopodError ? cause : cutOff(cause))),
      async release() {
        reader?.cancel().catch(() => {});
        closed();
      },
    },
    signal,
  );
}

function cutOff(cause?: unknown): IsopodError {
  const message = "Cannot get: what the store has sent is not as long as the object";
  return new IsopodError("binding_failed", { message, cause });
}
