/** A diagram as SVG: curl localhost:8080/diagram --data-binary $'graph LR\n A[Client] --> B(Gateway) --> C{Pool}' */
import mermaid from "mermaid";

mermaid.initialize({ startOnLoad: false, securityLevel: "strict" });
let diagrams = 0;

export default {
  async fetch(request: Request): Promise<Response> {
    diagrams += 1;
    try {
      const { svg } = await mermaid.render(`diagram-${diagrams}`, await request.text());
      return new Response(svg, { headers: { "content-type": "image/svg+xml" } });
    } catch (error) {
      return new Response(`${error instanceof Error ? error.message : error}\n`, { status: 400 });
    }
  },
};
