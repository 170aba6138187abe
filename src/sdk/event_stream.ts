/** Reads a `text/event-stream`, piece by piece as it comes: field by field as the HTML standard has it. */

/** One event. */
export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

/** The longest event that is read, in characters; a run's output comes in pieces far below it. */
const EVENT_LENGTH_MAX = 64 * 1024 * 1024;

/**
 * The events of `body`, which is given up when its reader leaves before the end.
 * @throws {Error} for an event without end, and whatever reading throws
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  let rest = "";
  let searched = 0;
  const decoder = new TextDecoder();
  // A reader and not the stream's own iterator, which some browsers lack.
  const reader = body.getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      for (;;) {
        // Isopod ends lines by a line feed alone; the end of an event is an empty line.
        const end = rest.indexOf("\n\n", Math.max(0, searched - 1));
        if (end < 0) break;
        const event = parseEvent(rest.slice(0, end));
        rest = rest.slice(end + 2);
        searched = 0;
        if (event !== undefined) yield event;
      }
      searched = rest.length;
      if (rest.length > EVENT_LENGTH_MAX)
        throw new Error(`Cannot read the events: one is longer than ${EVENT_LENGTH_MAX} characters`);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** The event of its lines; undefined for a comment. */
function parseEvent(text: string): StreamEvent | undefined {
  let name = "message";
  const data: string[] = [];
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (line.startsWith("event:")) name = value;
    else if (line.startsWith("data:")) data.push(value);
  }
  return data.length === 0 ? undefined : { name, data: data.join("\n") };
}
