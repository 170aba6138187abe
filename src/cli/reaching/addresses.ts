/** Where functions answer, as somebody at this terminal can ask for it. */

/**
 * The address of a route on the data plane.
 * @param preview the address of any preview there, which tells scheme and port
 * @param admin the address of the admin API, whose host is the server's
 * @example routeUrl("GET /hello/:name", "http://ab12--hello.localhost:8080/", adminUrl) // "http://127.0.0.1:8080/hello/:name"
 */
export function routeUrl(route: string, preview: string, admin: URL): string {
  const address = route.slice(route.indexOf(" ") + 1);
  const slash = address.indexOf("/");
  const { protocol, port } = new URL(preview);
  const host = slash > 0 ? address.slice(0, slash) : admin.hostname;
  return `${protocol}//${host}${port === "" ? "" : `:${port}`}${address.slice(slash)}`;
}

/** The same with the method before it, where it is not any. */
export function routeLine(route: string, preview: string, admin: URL): string {
  const method = route.slice(0, route.indexOf(" "));
  return `${method === "ANY" ? "" : `${method} `}${routeUrl(route, preview, admin)}`;
}
