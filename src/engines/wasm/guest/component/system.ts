/** Clocks, random numbers, files and sockets of WASI 0.2: of the last two there are none, and programs are told so. */
import { ComponentTrap, Failure, type Lifetime } from "./lifetime.ts";
import { type Awaited, Pollable, READY } from "./poll.ts";

const NANOSECONDS = 1_000_000;
const RANDOM_BYTES_MAX = 1024 * 1024;
const RANDOM_CHUNK_BYTES = 65_536;
const DELAY_MS_MAX = 2 ** 31 - 1;

const monotonicNow = (): bigint => BigInt(Math.round(performance.now() * 1000)) * 1000n;

/** A moment that comes. */
class Moment implements Awaited {
  readonly #at: bigint;
  readonly #signal: AbortSignal;
  #coming: { readonly promise: Promise<void>; end(): void } | undefined;

  constructor(at: bigint, signal: AbortSignal) {
    this.#at = at;
    this.#signal = signal;
  }

  get isReady(): boolean {
    return monotonicNow() >= this.#at;
  }

  change(): Promise<void> {
    this.#coming ??= this.#wait();
    return this.#coming.promise;
  }

  dispose(): void {
    this.#coming?.end();
  }

  #wait(): { readonly promise: Promise<void>; end(): void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = () => {
      clearTimeout(timer);
      this.#signal.removeEventListener("abort", end);
      this.#coming = undefined;
      resolve();
    };
    const ms = Math.ceil(Number(this.#at - monotonicNow()) / NANOSECONDS);
    const timer = setTimeout(end, Math.max(0, Math.min(ms, DELAY_MS_MAX)));
    this.#signal.addEventListener("abort", end);
    return { promise, end };
  }
}

/** `wasi:clocks/monotonic-clock`. */
export function monotonicClock(lifetime: Lifetime): object {
  const subscribe = (at: bigint) => {
    return new Pollable(lifetime, at <= monotonicNow() ? READY : new Moment(at, lifetime.signal));
  };
  return {
    now: monotonicNow,
    resolution: () => 1000n,
    subscribeInstant: subscribe,
    subscribeDuration: (duration: bigint) => subscribe(monotonicNow() + duration),
  };
}

function getRandomBytes(size: bigint): Uint8Array {
  if (size > RANDOM_BYTES_MAX) throw new ComponentTrap(`get-random-bytes: ${size} bytes, over ${RANDOM_BYTES_MAX}`);
  const bytes = new Uint8Array(Number(size));
  for (let at = 0; at < bytes.length; at += RANDOM_CHUNK_BYTES) {
    crypto.getRandomValues(bytes.subarray(at, at + RANDOM_CHUNK_BYTES));
  }
  return bytes;
}

const getRandomU64 = (): bigint => crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;

class Descriptor {}
class DirectoryEntryStream {}
class Network {}
class ResolveAddressStream {}
class TcpSocket {}
class UdpSocket {}
class IncomingDatagramStream {}
class OutgoingDatagramStream {}
class TerminalInput {}
class TerminalOutput {}

const refuse = (): never => {
  throw new Failure("access-denied");
};
const nothing = (): undefined => undefined;

/** What is the same for every invocation. */
export const STEADY: Readonly<Record<string, object>> = {
  "wasi:clocks/wall-clock": {
    now: () => ({ seconds: BigInt(Math.floor(Date.now() / 1000)), nanoseconds: (Date.now() % 1000) * NANOSECONDS }),
    resolution: () => ({ seconds: 0n, nanoseconds: NANOSECONDS }),
  },
  "wasi:random/random": { getRandomBytes, getRandomU64 },
  "wasi:random/insecure": { getInsecureRandomBytes: getRandomBytes, getInsecureRandomU64: getRandomU64 },
  "wasi:random/insecure-seed": { insecureSeed: () => [getRandomU64(), getRandomU64()] },
  "wasi:cli/terminal-input": { TerminalInput },
  "wasi:cli/terminal-output": { TerminalOutput },
  "wasi:cli/terminal-stdin": { getTerminalStdin: nothing },
  "wasi:cli/terminal-stdout": { getTerminalStdout: nothing },
  "wasi:cli/terminal-stderr": { getTerminalStderr: nothing },
  "wasi:filesystem/preopens": { getDirectories: () => [] },
  "wasi:filesystem/types": { Descriptor, DirectoryEntryStream, filesystemErrorCode: nothing },
  "wasi:sockets/network": { Network, networkErrorCode: nothing },
  "wasi:sockets/instance-network": { instanceNetwork: () => new Network() },
  "wasi:sockets/ip-name-lookup": { resolveAddresses: refuse, ResolveAddressStream },
  "wasi:sockets/tcp": { TcpSocket },
  "wasi:sockets/tcp-create-socket": { createTcpSocket: refuse },
  "wasi:sockets/udp": { UdpSocket, IncomingDatagramStream, OutgoingDatagramStream },
  "wasi:sockets/udp-create-socket": { createUdpSocket: refuse },
};
