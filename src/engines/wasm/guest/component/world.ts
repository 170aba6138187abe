/** What a component imports, for one invocation: jco's script asks for it by the names of interfaces. */
import { FutureTrailers, IncomingBody, OutgoingBody } from "./bodies.ts";
import { ByteSource } from "./byte_source.ts";
import { Fields } from "./fields.ts";
import { ATOMICS, BATCH, Bucket, openBucket } from "./keyvalue.ts";
import type { Lifetime } from "./lifetime.ts";
import { LogSink } from "./log_sink.ts";
import { FutureIncomingResponse, handleOutgoing, httpErrorCode } from "./outgoing.ts";
import { Pollable, poll } from "./poll.ts";
import { IncomingRequest, OutgoingRequest, RequestOptions } from "./requests.ts";
import { IncomingResponse, OutgoingResponse, ResponseOutparam } from "./responses.ts";
import { InputStream, IoError, OutputStream } from "./streams.ts";
import { monotonicClock, STEADY } from "./system.ts";

/** Ends a component from within. */
export class ComponentExit extends Error {
  constructor(code: number) {
    super(`exited with code ${code}`);
  }
}

/** What an invocation's world is made of. */
export interface WorldParts {
  readonly lifetime: Lifetime;
  /** What is on the function's `env`, bindings included. */
  readonly env: Readonly<Record<string, unknown>>;
  /** Its variables alone. */
  readonly variables: Readonly<Record<string, string>>;
  readonly name: string;
}

/** The imports, and what ends what is written to the log. */
export interface World {
  readonly imports: Readonly<Record<string, object>>;
  end(): void;
}

const LEVELS: Readonly<Record<string, "debug" | "info" | "warn" | "error">> = {
  ...{ trace: "debug", debug: "debug", info: "info", warn: "warn", error: "error", critical: "error" },
};

/** Makes the world of one invocation. */
export function createWorld({ lifetime, env, variables, name }: WorldParts): World {
  const stdout = new LogSink((line) => console.log("%s", line));
  const stderr = new LogSink((line) => console.error("%s", line));
  const entries = () => Object.entries(variables);
  const exit = (code: number): never => {
    throw new ComponentExit(code);
  };
  const config = {
    get: (key: string) => (Object.hasOwn(variables, key) ? variables[key] : undefined),
    getAll: entries,
  };
  const imports = {
    ...STEADY,
    "wasi:http/types": httpTypes(lifetime),
    "wasi:http/outgoing-handler": {
      handle: (request: OutgoingRequest, options?: RequestOptions) => handleOutgoing(lifetime, request, options),
    },
    "wasi:io/error": { Error: IoError },
    "wasi:io/poll": { Pollable, poll },
    "wasi:io/streams": { InputStream, OutputStream },
    "wasi:clocks/monotonic-clock": monotonicClock(lifetime),
    "wasi:cli/environment": { getEnvironment: entries, getArguments: () => [name], initialCwd: () => undefined },
    "wasi:cli/exit": { exit: ({ tag }: { readonly tag: string }) => exit(tag === "ok" ? 0 : 1), exitWithCode: exit },
    "wasi:cli/stdin": { getStdin: () => new InputStream(lifetime, new ByteSource(null)) },
    "wasi:cli/stdout": { getStdout: () => new OutputStream(lifetime, stdout) },
    "wasi:cli/stderr": { getStderr: () => new OutputStream(lifetime, stderr) },
    "wasi:config/store": config,
    "wasi:config/runtime": config,
    "wasi:keyvalue/store": { Bucket, open: (identifier: string) => openBucket(lifetime, env, identifier) },
    "wasi:keyvalue/atomics": ATOMICS,
    "wasi:keyvalue/batch": BATCH,
    "wasi:logging/logging": {
      log: (level: string, place: string, text: string) => {
        console[LEVELS[level] ?? "info"]("%s", place === "" ? text : `${place}: ${text}`);
      },
    },
  };
  return {
    imports,
    end() {
      stdout.end();
      stderr.end();
    },
  };
}

/** `wasi:http/types`: what a component constructs ends with its invocation, too. */
function httpTypes(lifetime: Lifetime): object {
  return {
    ...{ Fields, FutureIncomingResponse, FutureTrailers, IncomingBody, IncomingRequest, IncomingResponse },
    ...{ OutgoingBody, RequestOptions, ResponseOutparam, httpErrorCode },
    OutgoingRequest: class extends OutgoingRequest {
      constructor(headers: Fields) {
        super(headers, lifetime);
      }
    },
    OutgoingResponse: class extends OutgoingResponse {
      constructor(headers: Fields) {
        super(headers, lifetime);
      }
    },
  };
}

/** Whether what was thrown says that the component ended by itself, as it should. */
export function isOrderlyExit(thrown: unknown): boolean {
  return thrown instanceof ComponentExit && thrown.message.endsWith(" 0");
}
