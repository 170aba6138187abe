/** What a kind of sandbox is. Types only. */
import type { SandboxRoot } from "./root.ts";
import type { UidRange } from "./uids.ts";

/** How a kind of sandbox is set up. */
export interface SandboxOptions {
  readonly root: SandboxRoot;
  /** The filter that is installed before the program starts. */
  readonly outerFilter: Uint8Array;
  /** The same for a zygote; none are started without it. */
  readonly zygoteFilter?: Uint8Array | undefined;
  /** The filter that the guest installs on itself, and the resource limits that it sets before. */
  readonly seal: Uint8Array;
  readonly rlimits: readonly (readonly [number, number])[];
  /**
   * RLIMIT_DATA in bytes, where there is no cgroup to bound memory. It must be there before the program starts, which
   * sizes its heap's reservation by it; a shell sets it for 0.2 ms, `prlimit` would take 0.9.
   */
  readonly dataBytes: number;
  /** All of the program's environment. */
  readonly env: Readonly<Record<string, string>>;
  /** `none` starts the program without bubblewrap: for trusted code on a developer's own machine. */
  readonly isolation: "bubblewrap" | "none";
  readonly uids?: UidRange | undefined;
  /** Whether the program has a sandbox of its own for what it starts, and makes user namespaces for that. */
  readonly nests?: boolean | undefined;
  /** Threads and processes in each sandbox, where there is a cgroup to bound them; the usual number when left out. */
  readonly pidsMax?: number | undefined;
}
