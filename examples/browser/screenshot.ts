/** A picture of HTML: curl localhost:8080/screenshot?width=400 -d '<h1 style="color: teal">Hello</h1>' -o hello.png */
import type { Pages } from "./pages.ts";

export default {
  async fetch(request: Request, env: Pages): Promise<Response> {
    const { searchParams } = new URL(request.url);
    const width = Number(searchParams.get("width") ?? 800);
    const height = Number(searchParams.get("height") ?? 600);
    const selector = searchParams.get("selector");
    const png = await env.PAGE.screenshot({
      html: await request.text(),
      viewport: { width, height },
      ...(selector !== null && { selector }),
    });
    return new Response(png, { headers: { "content-type": "image/png" } });
  },
};
