// curl localhost:8080/links/docs -T - <<< "https://example.com/docs"   then open localhost:8080/links/docs
//
// Short links, as a Worker is written for Cloudflare with a KV namespace that is bound as LINKS: nothing here knows of
// Isopod. `?days=7` lets a link go after a week; who made it and when stands in its metadata.

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const name = decodeURIComponent(url.pathname.slice("/links/".length));
    if (name === "") return listed(env.LINKS, url.searchParams);
    switch (request.method) {
      case "PUT":
        return kept(request, env.LINKS, name, url.searchParams.get("days"));
      case "DELETE":
        await env.LINKS.delete(name);
        return new Response(null, { status: 204 });
      default: {
        const target = await env.LINKS.get(name);
        return target === null ? new Response("Not found\n", { status: 404 }) : Response.redirect(target, 302);
      }
    }
  },
};

async function kept(request, links, name, days) {
  const target = (await request.text()).trim();
  if (!URL.canParse(target)) return new Response("Expected an address\n", { status: 400 });
  const { value, metadata } = await links.getWithMetadata(name);
  const options = { metadata: { changes: (metadata?.changes ?? 0) + 1, at: new Date().toISOString() } };
  if (days !== null) options.expirationTtl = Number(days) * 86_400;
  await links.put(name, target, options);
  return new Response(null, { status: value === null ? 201 : 204 });
}

async function listed(links, query) {
  const { keys, list_complete, cursor } = await links.list({
    prefix: query.get("prefix"),
    cursor: query.get("cursor"),
    limit: 100,
  });
  const page = keys.map(({ name, expiration, metadata }) => ({ name, expiration, changes: metadata.changes }));
  return Response.json({ links: page, ...(list_complete ? {} : { cursor }) });
}
