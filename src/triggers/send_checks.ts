/** What is refused before it is sent: what is too much, and what its consumer could not read. */
import { IsopodError } from "../core/errors.ts";
import type { OutgoingMessage } from "../core/triggers.ts";
import { TRIGGER_LIMITS } from "./limits.ts";

/** Refuses what cannot be sent. @throws {IsopodError} `bad_request`, `value_too_large` */
export function checkSend(messages: readonly OutgoingMessage[]): void {
  const { messageBytesMax, sendMessagesMax, sendBytesMax, delayMsMax } = TRIGGER_LIMITS;
  if (messages.length < 1 || messages.length > sendMessagesMax)
    throw refused(`expected 1 to ${sendMessagesMax} messages`);
  let bytes = 0;
  for (const message of messages) {
    const own = sizeOf(message);
    bytes += own;
    if (own > messageBytesMax) throw tooLarge("the message is", "messageBytesMax", messageBytesMax);
    if (bytes > sendBytesMax) throw tooLarge("the messages are", "sendBytesMax", sendBytesMax);
    if (!(message.delayMs >= 0 && message.delayMs <= delayMsMax))
      throw refused(`expected a delay of 0 to ${delayMsMax / 1000} seconds`);
    checkBody(message);
  }
}

/** Bytes of a body as its consumer gets it. */
function sizeOf({ type, body }: OutgoingMessage): number {
  const bytes = Buffer.byteLength(body);
  return type === "bytes" ? Math.floor((bytes * 3) / 4) - (body.match(/=*$/)?.[0].length ?? 0) : bytes;
}

function checkBody({ type, body }: OutgoingMessage): void {
  try {
    if (type === "json") JSON.parse(body);
    else if (type === "bytes") Uint8Array.fromBase64(body);
  } catch {
    throw refused(type === "json" ? "expected JSON for the type json" : "expected Base64 for the type bytes");
  }
}

function refused(why: string): IsopodError {
  return new IsopodError("bad_request", { message: `Cannot send: ${why}` });
}

function tooLarge(what: string, name: string, value: number): IsopodError {
  return new IsopodError("value_too_large", {
    message: `Cannot send: ${what} larger than ${value} bytes`,
    limit: { name, value },
  });
}
