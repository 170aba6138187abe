/**
 * The guest's end of the one channel: frames in on descriptor 0, frames out on a private copy of descriptor 1.
 *
 * Writing blocks while the host is not reading: that is the back-pressure of scripts, and it keeps memory bounded.
 * Reading can be paused (`quiesce`), so that a script which waits for nothing more lets its event loop run empty.
 */
import { Connection, type ConnectionEvents } from "../../../wire/connection.ts";
import { GUEST_ACCEPTS } from "../../../wire/frame.ts";
import { exit, takeOverStdout, writeAll } from "./libc.ts";

/** The channel. */
export interface Channel {
  readonly connection: Connection;
  /** Stops reading, so that the input does not keep the event loop alive. */
  quiesce(): void;
  /** Reads again. */
  resume(): void;
}

/** Opens the channel and begins to read. */
export function openChannel(events: ConnectionEvents): Channel {
  const out = takeOverStdout();
  const connection = new Connection({
    side: "guest",
    accepts: GUEST_ACCEPTS,
    events,
    write: (bytes) => writeAll(out, bytes),
    defer: setImmediate,
  });
  const stream = Bun.stdin.stream();
  let reader: ReturnType<typeof stream.getReader> | undefined;

  const read = async () => {
    const mine = stream.getReader();
    reader = mine;
    try {
      for (;;) {
        const { value, done } = await mine.read();
        if (done) exit(0);
        connection.receive(value as Uint8Array);
      }
    } catch (error) {
      if (reader === mine) {
        writeAll(2, new TextEncoder().encode(`guest: ${error}\n`));
        exit(1);
      }
    }
  };
  read();
  return {
    connection,
    quiesce() {
      const mine = reader;
      reader = undefined;
      mine?.releaseLock();
    },
    resume() {
      if (reader === undefined) read();
    },
  };
}
