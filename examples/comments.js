// curl localhost:8080/comments/hello -d '{"author": "Ada", "body": "Well said"}'   then curl localhost:8080/comments/hello
//
// Comments on posts, as a Worker is written for Cloudflare with Hono and a D1 database that is bound as DB: nothing here
// knows of Isopod. Its table is made once, by `isopod sql migrate comments examples/comments`.

import { Hono } from "hono";

const app = new Hono();

app.get("/comments/:slug", async (c) => {
  const { slug } = c.req.param();
  const { results } = await c.env.DB.prepare("select id, author, body from comments where post_slug = ?")
    .bind(slug)
    .all();
  return c.json(results);
});

app.post("/comments/:slug", async (c) => {
  const { slug } = c.req.param();
  const { author, body } = await c.req.json();
  if (!author) return c.text("Missing author value for new comment", 400);
  if (!body) return c.text("Missing body value for new comment", 400);
  const { success } = await c.env.DB.prepare("insert into comments (author, body, post_slug) values (?, ?, ?)")
    .bind(author, body, slug)
    .run();
  return success ? c.text("Created", 201) : c.text("Something went wrong", 500);
});

// All of a post's, or none: a batch is one transaction.
app.delete("/comments/:slug", async (c) => {
  const { slug } = c.req.param();
  const [, left] = await c.env.DB.batch([
    c.env.DB.prepare("delete from comments where post_slug = ?1").bind(slug),
    c.env.DB.prepare("select count(*) as count from comments"),
  ]);
  return c.json({ left: left.results[0].count });
});

app.onError((error, c) => c.json({ error: error.message }, 500));

export default app;
