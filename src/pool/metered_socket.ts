/**
 * A function's WebSocket under the counts of its invocation: from its opening on the wall limit does not count, each
 * message of the client gives processor time anew, and its close gives the wall limit back.
 */
import type { WireStream } from "../wire/stream.ts";
import type { Meter } from "./figures.ts";
import { FunctionSocket } from "./socket.ts";

/** Opens the host's end of the socket that the function has accepted on `stream`. */
export function openMeteredSocket(stream: WireStream, meter: Meter, clock: { now(): number }): FunctionSocket {
  meter.openSocket();
  return new FunctionSocket(stream, {
    clientSent: () => meter.renewCpu(),
    functionSent: () => {
      meter.quiet = false;
    },
    closed: () => meter.closeSocket(clock.now()),
  });
}
