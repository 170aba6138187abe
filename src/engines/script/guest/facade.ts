/**
 * What scripts written for Node or Deno expect around them: `process.stdout`, `process.exit`, and the few `Deno`
 * members that a script without permissions uses. Everything else of those platforms is deliberately absent.
 */

import { bunInput, nodeInput } from "./input.ts";
import { memoryUsage } from "./memory.ts";
import { upgradeWebSocket } from "./upgrade.ts";

/** What a facade does for its program. */
export interface FacadeHost {
  /** Bytes written to standard output or standard error. */
  write(to: "stdout" | "stderr", bytes: Uint8Array): void;
  /** Ends the program with an exit code. */
  exit(code: number): never;
  /** What the caller sent as arguments. */
  readonly args: unknown;
  /** The body that the caller sent. */
  input(): ReadableStream<Uint8Array>;
}

const encoder = new TextEncoder();

/** Installs the facades for a program whose variables are `env`. */
export function installFacades(env: Readonly<Record<string, string>>, host: FacadeHost): void {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, env);
  // Assigned and not defined: defining a property makes Bun build the stream that it replaces, which takes 13 ms.
  Object.assign(process, {
    exit: (code?: number) => host.exit(code ?? Number(process.exitCode ?? 0)),
    stdout: nodeStream((bytes) => host.write("stdout", bytes)),
    stderr: nodeStream((bytes) => host.write("stderr", bytes)),
    stdin: nodeInput(() => host.input()),
    argv: ["bun", "/program.ts", ...argumentsOf(host)],
    cwd: () => "/",
    memoryUsage: Object.assign(memoryUsage, { rss: () => memoryUsage().rss }),
  });
  Object.assign(Bun, { stdin: bunInput(() => host.input()) });
  Object.assign(globalThis, { Deno: createDeno(env, host) });
}

function argumentsOf(host: FacadeHost): string[] {
  return Array.isArray(host.args) ? host.args.map(String) : [];
}

/** As much of Node's writable streams as people use on `process.stdout`. */
function nodeStream(write: (bytes: Uint8Array) => void): object {
  const put = (chunk: unknown, ...rest: unknown[]) => {
    write(typeof chunk === "string" ? encoder.encode(chunk) : (chunk as Uint8Array));
    const callback = rest.find((argument) => typeof argument === "function") as (() => void) | undefined;
    if (callback) queueMicrotask(callback);
    return true;
  };
  return {
    write: put,
    end: (chunk?: unknown) => void (chunk !== undefined && put(chunk)),
    on: () => {},
    once: () => {},
    emit: () => false,
    isTTY: false,
    columns: 80,
    writable: true,
  };
}

function createDeno(env: Readonly<Record<string, string>>, host: FacadeHost): object {
  const variables = new Map(Object.entries(env));
  const sink = (to: "stdout" | "stderr") => {
    const writeSync = (bytes: Uint8Array) => {
      host.write(to, bytes);
      return bytes.length;
    };
    return {
      writeSync,
      write: async (bytes: Uint8Array) => writeSync(bytes),
      isTerminal: () => false,
      get writable() {
        return new WritableStream<Uint8Array>({ write: (bytes) => void writeSync(bytes) });
      },
    };
  };
  return {
    args: argumentsOf(host),
    env: {
      get: (name: string) => variables.get(name),
      has: (name: string) => variables.has(name),
      toObject: () => Object.fromEntries(variables),
      set: (name: string, value: string) => void variables.set(name, String(value)),
      delete: (name: string) => void variables.delete(name),
    },
    exit: (code = 0) => host.exit(code),
    inspect: (value: unknown) => Bun.inspect(value),
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    stdin: {
      isTerminal: () => false,
      get readable() {
        return host.input();
      },
    },
    build: { os: "linux", arch: process.arch === "arm64" ? "aarch64" : "x86_64", target: "", vendor: "unknown" },
    version: { deno: "2.0.0", v8: "", typescript: "" },
    upgradeWebSocket: (_request: Request, options?: { readonly protocol?: string }) => upgradeWebSocket(options),
    noColor: true,
    pid: 1,
    mainModule: "file:///program.ts",
    errors: { NotFound: class NotFound extends Error {}, PermissionDenied: class PermissionDenied extends Error {} },
  };
}
