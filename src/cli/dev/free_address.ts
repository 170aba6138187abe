/** Where `isopod dev` listens when nobody has said it. */

/** The port when nobody has it, else any that is free. */
export function freeAddress(port: number): string {
  try {
    Bun.listen({ hostname: "127.0.0.1", port, socket: { data() {} } }).stop(true);
    return `127.0.0.1:${port}`;
  } catch {
    return "127.0.0.1:0";
  }
}
