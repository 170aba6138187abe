/** What the tests of egress share: a binding and a server for the time of one test. */
import { createEgress, type EgressOptions } from "../bindings/egress/binding.ts";
import type { Binding } from "../core/binding.ts";
import type { EgressGrant, InjectedSecret } from "../core/function.ts";
import { type RawServer, startRawServer } from "./raw_server.ts";

/** A grant of egress. */
export function grants(allow: readonly string[], secrets: readonly InjectedSecret[] = []): EgressGrant {
  return { allow, secrets };
}

/** Runs with a binding that is closed in the end. */
export async function withEgress(
  options: EgressOptions,
  run: (egress: Binding<EgressGrant>) => Promise<void>,
): Promise<void> {
  const egress = createEgress(options);
  try {
    await run(egress);
  } finally {
    await egress.close();
  }
}

/** Runs with a server on loopback that is closed in the end. */
export async function withServer(
  serve: Parameters<typeof startRawServer>[0],
  run: (server: RawServer) => Promise<void>,
  options: Parameters<typeof startRawServer>[1] = {},
): Promise<void> {
  const server = await startRawServer(serve, options);
  try {
    await run(server);
  } finally {
    await server.close();
  }
}
