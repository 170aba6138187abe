/** What the store sends of an object, held against the length that it has told. */
import { IsopodError } from "../../../core/errors.ts";

/** The stream; it errors where bytes are missing or too many. `closed` is called once it is over, however it ends. */
export function checkedBody(
  body: ReadableStream<Uint8Array> | null,
  bytes: number,
  closed: () => void,
): ReadableStream<Uint8Array> {
  const reader = body?.getReader();
  let left = bytes;
  let over = false;
  const finish = () => {
    if (!over) closed();
    over = true;
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value, done } = (await reader?.read()) ?? { done: true };
          left -= value?.length ?? 0;
          if (left < 0 || (done && left > 0)) throw cutOff();
          if (value !== undefined && value.length > 0) return controller.enqueue(value);
          if (!done) return this.pull?.(controller);
          finish();
          controller.close();
        } catch (error) {
          finish();
          reader?.cancel().catch(() => {});
          controller.error(error);
        }
      },
      async cancel() {
        finish();
        await reader?.cancel();
      },
    },
    { highWaterMark: 0 },
  );
}

function cutOff(): IsopodError {
  return new IsopodError("binding_failed", { message: "Cannot get: the store's answer is not as long as the object" });
}
