/**
 * Standard input as scripts read it in Node and in Bun: the body that the caller sent.
 *
 * Both must be replaced, and not only for comfort: the platform's own would take the channel's frames for input.
 */

/** Opens the body; there is one, so it can be read once. */
export type OpenInput = () => ReadableStream<Uint8Array>;

type Listener = (value?: unknown) => void;

/** As much of Node's readable streams as people use on `process.stdin`. */
export function nodeInput(open: OpenInput): object {
  let decoder: TextDecoder | undefined;
  const listeners = new Map<string, Listener[]>();
  const emit = (event: string, value?: unknown) => {
    for (const listener of listeners.get(event) ?? []) listener(value);
  };
  const chunks = async function* () {
    for await (const chunk of open()) {
      const text = decoder?.decode(chunk, { stream: true });
      if (text !== "") yield text ?? Buffer.from(chunk);
    }
    const rest = decoder?.decode();
    if (rest) yield rest;
  };
  let flowing = false;
  const flow = async () => {
    flowing = true;
    try {
      for await (const chunk of chunks()) emit("data", chunk);
      emit("end");
      emit("close");
    } catch (error) {
      emit("error", error);
    }
  };
  const on = (event: string, listener: Listener) => {
    listeners.set(event, [...(listeners.get(event) ?? []), listener]);
    if (event === "data" && !flowing) flow();
    return input;
  };
  const input = {
    fd: 0,
    isTTY: false,
    on,
    once: on,
    addListener: on,
    setEncoding(encoding: string) {
      decoder = new TextDecoder(encoding as "utf-8");
      return input;
    },
    resume: () => input,
    pause: () => input,
    ref: () => input,
    unref: () => input,
    [Symbol.asyncIterator]: chunks,
  };
  return input;
}

/** As much of a `BunFile` as people use on `Bun.stdin`. */
export function bunInput(open: OpenInput): object {
  const body = () => new Response(open());
  return {
    type: "application/octet-stream",
    stream: open,
    text: () => body().text(),
    json: () => body().json(),
    bytes: () => body().bytes(),
    arrayBuffer: () => body().arrayBuffer(),
  };
}
