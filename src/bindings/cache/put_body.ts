/** The body of an answer that is put, read whole as far as there is room for it. */
import type { BindingCall, CallScope } from "../../core/binding.ts";
import { IsopodError } from "../../core/errors.ts";
import type { Reservation } from "../../stdx/share_list.ts";
import { CACHE_API_LIMITS } from "./limits.ts";

/** What a piece takes beside its bytes: many small ones must not take more room than they are counted for. */
const PIECE_BYTES = 128;

/**
 * Reads a body; undefined when there was no room for it, as a cache may do. All of it is read either way.
 * @throws {IsopodError} `value_too_large`, `binding_failed`
 */
export async function readBody(
  { body }: Pick<BindingCall, "body">,
  { signal }: Pick<CallScope, "signal">,
  room: Reservation,
): Promise<Uint8Array | undefined> {
  const value = CACHE_API_LIMITS.entryBytesMax;
  const reader = body?.getReader();
  const cancel = () => void reader?.cancel().catch(() => {});
  signal.addEventListener("abort", cancel);
  let pieces: Uint8Array[] | undefined = [];
  let bytes = 0;
  try {
    for (;;) {
      const { value: piece, done } = (await reader?.read()) ?? { done: true };
      if (signal.aborted) throw callEnded();
      if (done || piece === undefined) return pieces && Buffer.concat(pieces);
      bytes += piece.length;
      if (bytes > value) {
        const message = `Cannot put: the answer is longer than ${value} bytes`;
        throw new IsopodError("value_too_large", { message, limit: { name: "entryBytesMax", value } });
      }
      // A copy: what has come in one read with others would keep their bytes, too.
      if (room.grow(piece.length + PIECE_BYTES)) pieces?.push(piece.slice());
      else pieces = undefined;
    }
  } finally {
    cancel();
    signal.removeEventListener("abort", cancel);
  }
}

/** What a call is told that has been given up, or came too late. */
export function callEnded(): IsopodError {
  return new IsopodError("binding_failed", { message: "Cannot use the cache: the call was ended" });
}
