// curl localhost:8080/greet/Ada
//
// An application of the SDK: under Isopod it answers invocations, and `bun examples/greet.ts` starts a server of its own.

import { Application } from "isopod";

const app = new Application<{ GREETING?: string }>();

app.router.use(({ headers }) => (headers.has("x-stop") ? new Response("Stopped.\n", { status: 403 }) : null));

app.router.get("/greet/:name", ({ routeParameters, env }) =>
  Response.json({ greeting: `${env.GREETING ?? "Hello"}, ${routeParameters.name}!` }),
);

app.router.after((_request, response) => {
  response.headers.set("cache-control", "no-store");
});

app.listen(8000);
