/** What stands between the network and what runs code, joined. */
import { join } from "node:path";
import type { Config } from "./control/config/config.ts";
import type { KnownProgram } from "./control/control_plane.ts";
import { systemClock as clock } from "./core/clock.ts";
import { type Admission, createAdmission } from "./gateway/admission.ts";
import { ResponseCache } from "./gateway/cache/response_cache.ts";
import { Codeless } from "./gateway/codeless/codeless.ts";
import { PinMemory } from "./gateway/codeless/pin_memory.ts";
import { openPins, type Pins } from "./gateway/codeless/pins.ts";
import { createProgramCache } from "./gateway/codeless/program_cache.ts";
import { MiddlewareInvoker } from "./gateway/middlewares/invoker.ts";
import { createRemoteModules } from "./gateway/sources/remote_modules.ts";
import { createSources, type Sources } from "./gateway/sources/sources.ts";
import type { Plant } from "./plant.ts";

const MB = 1024 * 1024;

/** The largest program, in bytes. */
export const CODE_BYTES_MAX = 10 * MB;
/** The programs that ran last, kept so that they can be promoted. */
const RAN_BYTES_MAX = 32 * MB;
const RAN_COUNT_MAX = 1000;

/** What slow readers of long answers have not had yet, on the disk. */
const CACHE_OVERFLOW_BYTES_MAX = 512 * MB;

/** What stands between the network and the plant. */
export interface Front {
  readonly admission: Admission;
  readonly sources: Sources;
  readonly pins: Pins;
  readonly codeless: Codeless;
  readonly cache: ResponseCache | undefined;
  /** A program that is pinned, or ran a while ago. */
  program(hash: string): Promise<KnownProgram | undefined>;
}

/** Makes the front. @throws {Error} when the pins cannot be read */
export async function createFront(config: Config, dataDirectory: string, plant: Plant): Promise<Front> {
  const { pool, builder, components } = plant;
  const directory = join(dataDirectory, "pins");
  const pins = await openPins({ directory, countMax: 100_000, bytesMax: 1024 * MB, codeBytesMax: CODE_BYTES_MAX });
  const { sources: rules } = config.codeless;
  const fetching = { cacheBytesMax: 64 * MB, fetchTimeoutMs: 10_000, codeBytesMax: CODE_BYTES_MAX };
  const sources = createSources({ rules, ...fetching });
  const programs = createProgramCache(builder.build.bind(builder), createRemoteModules(sources));
  const kept = new PinMemory(RAN_BYTES_MAX, RAN_COUNT_MAX);
  const ran = ({ hash, code, language }: KnownProgram & { readonly hash: string }) => {
    if (kept.get(hash) === undefined) kept.set({ hash, code, language }, code.length);
  };
  const { bytesMax } = config.cache;
  const overflow = { directory: join(dataDirectory, "cache"), bytesMax: CACHE_OVERFLOW_BYTES_MAX };
  const cache = bytesMax === 0 ? undefined : new ResponseCache({ clock, bytesMax, overflow });
  const codeless = new Codeless({
    invoker: new MiddlewareInvoker({ functions: pool, hooks: pool }),
    sources,
    pins,
    builder: programs,
    components,
    cache,
    codeBytesMax: CODE_BYTES_MAX,
    ran,
  });
  const bounds = { admittedMax: 10_000, waitingMax: 1000, waitMsMax: 1000, idleCallersMax: 50_000 };
  const program = async (hash: string) => (await pins.get(hash)) ?? kept.get(hash);
  return { admission: createAdmission({ clock, ...bounds }), sources, pins, codeless, cache, program };
}
