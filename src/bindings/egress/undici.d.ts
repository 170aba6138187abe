/**
 * undici's client by its file: under the package's own name Bun gives a stand-in that lacks it.
 */
declare module "undici/lib/dispatcher/client.js" {
  import type Client from "undici/types/client.d.ts";

  const client: typeof Client;
  export default client;
}
