/**
 * The guest's end of the one channel: frames in on descriptor 0, frames out on a private copy of descriptor 1.
 *
 * Writing blocks while the host is not reading: that is the back-pressure of scripts, and it keeps memory bounded.
 * Until there is a program, the guest waits in a plain read: a stream and an event loop would cost every guest 2 ms,
 * and most programs are over without them. Reading can be paused later on (`quiesce`), so that a script which waits
 * for nothing more lets its event loop run empty.
 */
import { Connection, type ConnectionEvents } from "../../wire/connection.ts";
import { GUEST_ACCEPTS } from "../../wire/frame.ts";
import { exit, readSome, takeOverStdout, writeAll } from "./libc.ts";

/** The channel. */
export interface Channel {
  readonly connection: Connection;
  /** Waits for the next bytes, with nothing else going on meanwhile. Not while reading otherwise. */
  wait(): void;
  /** Stops reading, so that the input does not keep the event loop alive. */
  quiesce(): void;
  /** Reads from now on. */
  resume(): void;
}

const BUFFER_BYTES = 64 * 1024;

/**
 * Opens the channel; `ended` is called when the host has closed it.
 * @param byCallback reads the socket without a stream, 10 µs a message less, from `resume` on and for good
 */
export function openChannel(events: ConnectionEvents, ended: () => void = () => exit(0), byCallback = false): Channel {
  const out = takeOverStdout();
  const connection = new Connection({
    side: "guest",
    accepts: GUEST_ACCEPTS,
    events,
    write: (bytes) => writeAll(out, bytes),
    defer: setImmediate,
  });
  // Taken now: programs get a `Bun.stdin` of their own.
  const { stdin } = Bun;
  let stream: ReturnType<typeof stdin.stream> | undefined;
  let reader: ReturnType<NonNullable<typeof stream>["getReader"]> | undefined;

  const read = async () => {
    stream ??= stdin.stream();
    const mine = stream.getReader();
    reader = mine;
    try {
      for (;;) {
        const { value, done } = await mine.read();
        if (done) return ended();
        connection.receive(value as Uint8Array);
      }
    } catch (error) {
      if (reader === mine) {
        writeAll(2, new TextEncoder().encode(`guest: ${error}\n`));
        exit(1);
      }
    }
  };
  return {
    connection,
    wait() {
      const buffer = new Uint8Array(BUFFER_BYTES);
      connection.receive(buffer.subarray(0, readSome(0, buffer)));
    },
    quiesce() {
      const mine = reader;
      reader = undefined;
      mine?.releaseLock();
    },
    resume() {
      if (byCallback) readByCallback(connection, ended);
      else if (reader === undefined) read();
    },
  };
}

function readByCallback(connection: Connection, ended: () => void): void {
  const options = {
    fd: 0,
    // The host may have said all while there is still something to be told to it.
    allowHalfOpen: true,
    socket: {
      data(_: Bun.Socket, chunk: Uint8Array) {
        try {
          connection.receive(chunk);
        } catch (error) {
          writeAll(2, new TextEncoder().encode(`guest: ${error}\n`));
          exit(1);
        }
      },
      end: ended,
      close: ended,
      error: () => exit(1),
    },
  };
  // The types know no `fd` without an address.
  Bun.connect(options as unknown as Bun.UnixSocketOptions<undefined>).catch(() => exit(1));
}
