/** What runs behind the middlewares: it knows who asks from the header that `auth` sets, and nothing of keys. */
export default (request: Request): Response => {
  const order = new URL(request.url).pathname.split("/").at(-1);
  return Response.json({ order, for: request.headers.get("x-user") });
};
