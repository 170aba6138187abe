// workerd's worker loader: GET goes to one loaded isolate that stays, POST runs its body in an isolate of its own.
const HELLO = 'export default { fetch: () => new Response("hello world") };';
let fresh = 0;

function codeOf(main) {
  return { compatibilityDate: "2026-01-01", mainModule: "main.js", modules: { "main.js": main }, globalOutbound: null };
}

export default {
  async fetch(request, env) {
    if (request.method === "GET") {
      return env.LOADER.get("hello", () => codeOf(HELLO))
        .getEntrypoint()
        .fetch(request);
    }
    const main = await request.text();
    fresh += 1;
    return env.LOADER.get(`fresh-${fresh}`, () => codeOf(main))
      .getEntrypoint()
      .fetch("http://localhost/");
  },
};
