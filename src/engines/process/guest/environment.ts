/** The environment of programs, as AWS documents it for its functions, with what Isopod adds. */
import type { LoadParcel } from "../../../wire/parcels.ts";

/** Where the guest listens. */
export const API_PORT = 9001;
/** Where the proxy to what may be reached outside is. */
export const PROXY_PORT = 9002;
/** The same as a Unix socket. */
export const API_SOCKET = "/tmp/.isopod-api.sock";

const MB = 1024 * 1024;

/** Clients look for these in either case. */
const PROXY = Object.fromEntries(
  Object.entries({
    HTTP_PROXY: `http://127.0.0.1:${PROXY_PORT}`,
    HTTPS_PROXY: `http://127.0.0.1:${PROXY_PORT}`,
    NO_PROXY: "127.0.0.1,localhost,sandbox.localdomain",
  }).flatMap(([name, value]) => [[name, value] as const, [name.toLowerCase(), value] as const]),
);

/** What its name says of a function to those who expect AWS's form. */
export function functionArn({ fn, env, account }: LoadParcel): string {
  const region = env["AWS_REGION"] ?? "local";
  return `arn:aws:lambda:${region}:${account}:function:${fn?.name ?? "program"}`;
}

/** All variables of the program; those of the function are stronger where AWS lets them be. */
export function environmentOf(load: LoadParcel): Record<string, string> {
  const { fn, env, process: settings, memoryBytes = 128 * MB } = load;
  const name = fn?.name ?? "program";
  const version = fn?.version.replace(/^sha256-/, "").slice(0, 16) ?? "1";
  return {
    PATH: "/usr/local/bin:/usr/bin:/bin:/opt/bin",
    LD_LIBRARY_PATH: "/var/task:/var/task/lib:/opt/lib",
    // What is printed is the log, which is not a terminal: Python would keep the lines of a server for itself.
    PYTHONUNBUFFERED: "1",
    // Where AWS's layers have packages of Node; `require` alone looks there.
    NODE_PATH: "/opt/nodejs/node_modules",
    HOME: "/tmp",
    TMPDIR: "/tmp",
    LANG: "C.UTF-8",
    TZ: "UTC",
    AWS_REGION: "local",
    AWS_DEFAULT_REGION: "local",
    ...PROXY,
    ...(settings?.dialect === "http" && { PORT: "8080" }),
    ...env,
    _HANDLER: settings?.handler ?? "",
    AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${API_PORT}`,
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: version,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(Math.floor(memoryBytes / MB)),
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${name}`,
    AWS_LAMBDA_LOG_STREAM_NAME: `[${version}]`,
    AWS_LAMBDA_INITIALIZATION_TYPE: "on-demand",
    AWS_EXECUTION_ENV: "Isopod",
    LAMBDA_TASK_ROOT: "/var/task",
    LAMBDA_RUNTIME_DIR: "/var/runtime",
    ISOPOD_API_SOCKET: API_SOCKET,
    ISOPOD_BINDINGS: `http://127.0.0.1:${API_PORT}/isopod/bindings`,
  };
}

/** The command line of the program: its own words, behind the wrapper that AWS's variable names. */
export function commandOf({ process: settings, env }: LoadParcel): readonly string[] {
  const words = settings?.command ?? ["/var/task/bootstrap"];
  const wrapper = env["AWS_LAMBDA_EXEC_WRAPPER"];
  return wrapper === undefined || settings?.dialect !== "runtime-api" ? words : [wrapper, ...words];
}
