/** An answer's body on its way to the client, gathered beside it as far as it is short enough to be kept. */

/** What came of gathering. */
export interface CaptureEnd {
  /** All of it, and nothing went wrong. */
  whole(body: Uint8Array): void;
  /** It was too long, or did not come to its end. */
  given(): void;
}

/** The same body, gathered while it is read. */
export function captured(
  body: ReadableStream<Uint8Array>,
  bytesMax: number,
  end: CaptureEnd,
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let chunks: Uint8Array[] | undefined = [];
  let bytes = 0;
  const give = () => {
    if (chunks === undefined) return;
    chunks = undefined;
    end.given();
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { value, done } = await reader.read();
          if (done) {
            if (chunks !== undefined) end.whole(Buffer.concat(chunks));
            return controller.close();
          }
          bytes += value.length;
          if (bytes > bytesMax) give();
          // The sender may use its bytes again.
          chunks?.push(value.slice());
          controller.enqueue(value);
        } catch (error) {
          give();
          controller.error(error);
        }
      },
      cancel(reason) {
        give();
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
