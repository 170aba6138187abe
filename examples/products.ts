// curl -i localhost:8080/products/7
//
// Cloudflare's way of caching by hand, as it stands in a Worker: look into `caches.default`, else make the answer, keep
// a copy, and give it. The second answer says `cf-cache-status: HIT`. docs/caching.md also has the way without code.

interface Cache {
  match(request: Request | string): Promise<Response | undefined>;
  put(request: Request | string, response: object): Promise<void>;
}
declare const caches: { readonly default: Cache };

interface Context {
  waitUntil(promise: Promise<unknown>): void;
}

export default {
  async fetch(request: Request, _env: unknown, ctx: Context): Promise<Response> {
    const cache = caches.default;
    // Without its query, so that `?utm_source=...` does not make it another product.
    const url = new URL(request.url);
    url.search = "";
    const cacheKey = new Request(url.toString(), request);

    const cached = await cache.match(cacheKey);
    if (cached) return cached;

    const id = url.pathname.split("/").pop();
    const response = Response.json({ id, name: `Product ${id}`, madeAt: new Date().toISOString() });
    response.headers.append("Cache-Control", "s-maxage=10");
    ctx.waitUntil(cache.put(cacheKey, response.clone()));
    return response;
  },
};
