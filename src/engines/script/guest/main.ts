/**
 * The guest of the `script` engine: boots, is closed down by the host's hello, takes one program, and runs it.
 *
 * Nothing here defends the guest against its program: they share one process. What bounds both is the sandbox, the
 * seal, and the host, which believes nothing that it cannot check.
 */
import type { GuestBinding, GuestGlobal, GuestPort } from "../../../core/guest.ts";
import { FRAME, type FrameType } from "../../../wire/frame.ts";
import { decodeParcel, type LoadParcel } from "../../../wire/parcels.ts";
import { createPort } from "../../guest/calls.ts";
import { type Channel, openChannel } from "../../guest/channel.ts";
import type { ProgramAdapter } from "../../guest/evaluated.ts";
import { exit } from "../../guest/libc.ts";
import { installResponse } from "../../guest/program_response.ts";
import { applyHello } from "../../guest/seal.ts";
import { BuildHost } from "./build_host.ts";
import { FunctionHost } from "./function_host.ts";
import { readProgram } from "./program.ts";
import { ProgramHost } from "./program_host.ts";
import type { ProgramRunner } from "./runner.ts";
import { installSockets } from "./upgrade.ts";
import { warmUp } from "./warm_up.ts";
import { serveForks } from "./zygote.ts";

/** What the engine starts a zygote with. */
const ZYGOTE = "--zygote";

/** What a guest is made of, beside itself. */
export interface GuestParts {
  readonly globals: readonly GuestGlobal[];
  readonly bindings: readonly GuestBinding[];
  /** For programs that are no code. */
  readonly adapters: readonly ProgramAdapter[];
}

/** Starts the guest: as a zygote first when it is asked to, from where each child goes on as a guest of its own. */
export function startGuest(parts: GuestParts): void {
  installResponse();
  installSockets();
  if (!process.argv.includes(ZYGOTE)) return serve(parts, warmUp);
  warmUp().then(() => {
    serveForks();
    serve(parts, async () => {});
  });
}

/** Waits for the hello, then for a program, and leaves the rest to what runs the program. */
function serve(parts: GuestParts, warm: () => Promise<void>): void {
  let runner: ProgramRunner | undefined;
  let sealed = false;
  let saidHello = false;

  const frame = (type: FrameType, _stream: number, payload: Uint8Array) => {
    if (type === FRAME.hello && !saidHello) {
      sealed = applyHello(payload);
      saidHello = true;
    } else if (type === FRAME.load && runner === undefined) {
      runner = load(channel, port, parts, payload);
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
  for (const each of parts.globals) each.install(port);

  while (!saidHello) channel.wait();
  warm().then(() => {
    channel.connection.sendText(FRAME.hello, 0, JSON.stringify({ sealed }));
    channel.connection.flush();
    while (runner === undefined || !runner.ready) channel.wait();
    runner.start();
  });
}

function load(channel: Channel, port: GuestPort, parts: GuestParts, payload: Uint8Array): ProgramRunner {
  const { json, bytes } = decodeParcel(payload);
  const parcel = json as LoadParcel;
  if (parcel.mode === "build") return new BuildHost(channel, port, parcel, bytes);
  const env = environmentOf(parcel, port, parts.bindings);
  const read = () => readProgram(parts.adapters, parcel, bytes);
  if (parcel.mode === "program") return new ProgramHost(channel, parcel, env, read);
  return new FunctionHost(channel, parcel, env, read);
}

/** The variables, and what the bindings' guest halves make of what is declared. */
function environmentOf(
  { env, bindings = [] }: LoadParcel,
  port: GuestPort,
  halves: readonly GuestBinding[],
): Record<string, unknown> {
  const all: Record<string, unknown> = { ...env };
  for (const declaration of bindings) {
    const half = halves.find(({ type }) => type === declaration.type);
    if (half !== undefined) all[declaration.name] = half.create(port, declaration);
  }
  return all;
}
