// curl -T photo.jpg localhost:8080/uploads/photo.jpg
//
// A Worker as it is written for Cloudflare, with an R2 bucket that is bound as FILES: nothing here knows of Isopod. Ranges,
// conditions and content types are the client's, handed to the bucket as they came.

export default {
  async fetch(request, env) {
    const key = decodeURIComponent(new URL(request.url).pathname.slice("/uploads/".length));
    if (key === "") return Response.json((await env.FILES.list()).objects.map(({ key, size }) => ({ key, size })));
    switch (request.method) {
      case "PUT":
        return put(request, env.FILES, key);
      case "GET":
        return get(request, env.FILES, key);
      case "DELETE":
        await env.FILES.delete(key);
        return new Response(null, { status: 204 });
      default:
        return new Response("Method not allowed.\n", { status: 405, headers: { allow: "GET, PUT, DELETE" } });
    }
  },
};

async function put(request, bucket, key) {
  const object = await bucket.put(key, request.body, { onlyIf: request.headers, httpMetadata: request.headers });
  if (object === null) return new Response("Somebody else has changed it.\n", { status: 412 });
  return new Response(`${object.size} bytes\n`, { status: 201, headers: { etag: object.httpEtag } });
}

async function get(request, bucket, key) {
  const object = await bucket.get(key, { onlyIf: request.headers, range: request.headers });
  if (object === null) return new Response("Not found.\n", { status: 404 });
  const headers = new Headers({ etag: object.httpEtag, "accept-ranges": "bytes" });
  object.writeHttpMetadata(headers);
  if (!("body" in object)) return new Response(null, { status: request.headers.has("if-match") ? 412 : 304, headers });
  const { offset, length } = object.range;
  if (length === object.size) return new Response(object.body, { headers });
  headers.set("content-range", `bytes ${offset}-${offset + length - 1}/${object.size}`);
  return new Response(object.body, { status: 206, headers });
}
