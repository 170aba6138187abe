/**
 * What functions are bundled with, as text: modules that are middlewares with what wraps a function in them, or serves one in a
 * process of its own; handlers of AWS's kind with what calls them. Nothing of it runs in the server.
 */
import * as eventRequest from "./guest/events/event_request.ts" with { type: "text" };
import * as httpEvent from "./guest/events/http_event.ts" with { type: "text" };
import * as around from "./guest/middlewares/module/around.ts" with { type: "text" };
import * as bodies from "./guest/middlewares/module/bodies.ts" with { type: "text" };
import * as moduleHook from "./guest/middlewares/module/module_hook.ts" with { type: "text" };
import * as serve from "./guest/middlewares/module/serve.ts" with { type: "text" };
import * as handler from "./runtimes/handler.ts" with { type: "text" };

/** For middlewares, by the names that they import one another by. */
export const MIDDLEWARE_SOURCES: Readonly<Record<string, string>> = {
  "middlewares/module/around.ts": textOf(around),
  "middlewares/module/serve.ts": textOf(serve),
  "middlewares/module/bodies.ts": textOf(bodies),
  "middlewares/module/module_hook.ts": textOf(moduleHook),
  "events/event_request.ts": textOf(eventRequest),
  "events/http_event.ts": textOf(httpEvent),
};

/** For handlers that run in the engine of scripts, likewise. */
export const HANDLER_SOURCES: Readonly<Record<string, string>> = {
  "runtimes/handler.ts": textOf(handler),
  "guest/events/http_event.ts": textOf(httpEvent),
};

/** What a module is that was imported as text, whatever its types say. */
function textOf(module: unknown): string {
  return (module as { readonly default: string }).default;
}
