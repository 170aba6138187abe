/**
 * The guest of the `script` engine: boots, is closed down by the host's hello, takes one program, and runs it.
 *
 * Nothing here defends the guest against its program: they share one process. What bounds both is the sandbox, the
 * seal, and the host, which believes nothing that it cannot check.
 */
import type { GuestBinding, GuestPort } from "../../../core/guest.ts";
import { FRAME, type FrameType } from "../../../wire/frame.ts";
import { decodeParcel, type LoadParcel } from "../../../wire/heads.ts";
import { BuildHost } from "./build_host.ts";
import { createPort } from "./calls.ts";
import { type Channel, openChannel } from "./channel.ts";
import { FunctionHost } from "./function_host.ts";
import { exit } from "./libc.ts";
import { ProgramHost } from "./program_host.ts";
import { installResponse } from "./respond.ts";
import type { ProgramRunner } from "./runner.ts";
import { applyHello } from "./seal.ts";
import { installSockets } from "./upgrade.ts";
import { warmUp } from "./warm_up.ts";
import { serveForks } from "./zygote.ts";

/** What the engine starts a zygote with. */
const ZYGOTE = "--zygote";

/** Starts the guest: as a zygote first when it is asked to, from where each child goes on as a guest of its own. */
export function startGuest(bindings: readonly GuestBinding[]): void {
  installResponse();
  installSockets();
  if (!process.argv.includes(ZYGOTE)) return serve(bindings, warmUp);
  warmUp().then(() => {
    serveForks();
    serve(bindings, async () => {});
  });
}

/** Waits for the hello, then for a program, and leaves the rest to what runs the program. */
function serve(bindings: readonly GuestBinding[], warm: () => Promise<void>): void {
  let runner: ProgramRunner | undefined;
  let sealed = false;
  let saidHello = false;

  const frame = (type: FrameType, _stream: number, payload: Uint8Array) => {
    if (type === FRAME.hello && !saidHello) {
      sealed = applyHello(payload);
      saidHello = true;
    } else if (type === FRAME.load && runner === undefined) {
      runner = load(channel, port, payload);
    } else if (type !== FRAME.ping) {
      exit(1);
    }
  };
  const channel: Channel = openChannel({ frame, open: (stream, head) => runner?.open(stream, head) });
  const port = createPort({
    connection: channel.connection,
    currentInvocation: () => runner?.currentInvocation() ?? 0,
    busy: (busy) => runner?.busy(busy),
  });
  for (const binding of bindings) binding.install(port);

  while (!saidHello) channel.wait();
  warm().then(() => {
    channel.connection.sendText(FRAME.hello, 0, JSON.stringify({ sealed }));
    channel.connection.flush();
    while (runner === undefined || !runner.ready) channel.wait();
    runner.start();
  });
}

function load(channel: Channel, port: GuestPort, payload: Uint8Array): ProgramRunner {
  const { json, bytes } = decodeParcel(payload);
  const parcel = json as LoadParcel;
  if (parcel.mode === "build") return new BuildHost(channel, port, parcel, bytes);
  return parcel.mode === "program" ? new ProgramHost(channel, parcel, bytes) : new FunctionHost(channel, parcel, bytes);
}
