/** The SDK: what users import as `isopod`. A router for functions, and a client that runs functions on a server. */

export type * from "../core/env_types/blob.ts";
export type * from "../core/env_types/calls.ts";
export type * from "../core/env_types/handlers.ts";
export type * from "../core/env_types/kv.ts";
export type * from "../core/env_types/sql.ts";
export type { InvocationContext } from "../core/guest.ts";
export { Application, type ErrorHandler } from "./application.ts";
export {
  type ConnectOptions,
  connect,
  type PinnedCall,
  type PinnedFunction,
  type RemoteServer,
  type RunContext,
  type RunResult,
} from "./connect.ts";
export type { ListenOptions, LocalServer } from "./local_server.ts";
export type { RouteParameters } from "./route_parameters.ts";
export {
  type AfterHandler,
  type Answer,
  type Mountable,
  type RoutedRequest,
  type RouteHandler,
  Router,
} from "./router.ts";
export { IsopodRunError, type RunErrorCode } from "./run_error.ts";
export type { RunLimits, RunLogLine, RunOptions } from "./run_options.ts";
