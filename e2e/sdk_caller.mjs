// What e2e/package.test.ts runs in each platform, with the package as npm has installed it: a server of its own, and
// functions on the server at ISOPOD_RUN_URL. Prints what it has seen as JSON.
import { Application, connect } from "isopod";

const app = new Application();
app.router.get("/greet/:name", (request) => Response.json(request.routeParameters));
app.router.post("/echo", (request) => new Response(request.body, { headers: { "x-by": request.env.BY } }));
app.router.get("/cookies", () => {
  const headers = new Headers();
  headers.append("set-cookie", "a=1");
  headers.append("set-cookie", "b=2");
  return new Response(null, { headers });
});
const local = await app.listen(0, { env: { BY: "caller" } });
const echo = await fetch(`${local.url}/echo`, { method: "POST", body: "x".repeat(1_000_000) });
const seen = {
  greet: await (await fetch(`${local.url}/greet/Ada%20L`)).json(),
  echo: [(await echo.text()).length, echo.headers.get("x-by")],
  cookies: (await fetch(`${local.url}/cookies`)).headers.getSetCookie(),
  head: (await fetch(`${local.url}/greet/x`, { method: "HEAD" })).status,
};
await local.close();
seen.closed = await fetch(local.url).then(
  () => false,
  () => true,
);

const server = connect(globalThis.process.env.ISOPOD_RUN_URL);
seen.sum = await server.run(({ args }) => args.reduce((a, b) => a + b), [1, 2, 3]);
seen.values = [];
const values = await server.run(async function* ({ args }) {
  for (let i = 0; i < args; i++) yield i;
}, 3);
for await (const value of values) seen.values.push(value);
const error = await server
  .run(async () => {
    throw new RangeError("thrown there");
  })
  .catch((thrown) => thrown);
seen.error = { name: error.name, code: error.code, message: error.message, stack: error.stack };
console.log(JSON.stringify(seen));
