/**
 * What modules that are middlewares are bundled with, as text: one program that wraps a function in them, and one that
 * serves a module in a process of its own. Nothing of it runs in the server.
 */
import * as eventRequest from "./guest/events/event_request.ts" with { type: "text" };
import * as httpEvent from "./guest/events/http_event.ts" with { type: "text" };
import * as around from "./guest/middlewares/module/around.ts" with { type: "text" };
import * as bodies from "./guest/middlewares/module/bodies.ts" with { type: "text" };
import * as moduleHook from "./guest/middlewares/module/module_hook.ts" with { type: "text" };
import * as serve from "./guest/middlewares/module/serve.ts" with { type: "text" };

/** The files, by the names that they import one another by. */
export const MIDDLEWARE_SOURCES: Readonly<Record<string, string>> = {
  "middlewares/module/around.ts": textOf(around),
  "middlewares/module/serve.ts": textOf(serve),
  "middlewares/module/bodies.ts": textOf(bodies),
  "middlewares/module/module_hook.ts": textOf(moduleHook),
  "events/event_request.ts": textOf(eventRequest),
  "events/http_event.ts": textOf(httpEvent),
};

/** What a module is that was imported as text, whatever its types say. */
function textOf(module: unknown): string {
  return (module as { readonly default: string }).default;
}
