/** An invoice as a PDF: curl localhost:8080/invoice -d '{"to": "Ada", "items": [["Analytical engine", 2, 450]]}' -o invoice.pdf */
import type { Pages } from "./pages.ts";

interface Invoice {
  readonly to: string;
  readonly items: readonly (readonly [what: string, count: number, price: number])[];
}

const STYLE = `
  body { font: 12pt sans-serif }
  table { width: 100%; border-collapse: collapse }
  td, th { padding: 4pt; border-bottom: 1px solid #ccc; text-align: right }
  td:first-child, th:first-child { text-align: left }
  tfoot { font-weight: bold }
  @page { margin: 2cm }`;

export default {
  async fetch(request: Request, env: Pages): Promise<Response> {
    const { to, items } = (await request.json()) as Invoice;
    // The page's own document escapes what was sent.
    const table = document.createElement("table");
    table.createTHead().innerHTML = "<tr><th>Item<th>Count<th>Price</tr>";
    const body = table.createTBody();
    for (const item of items) {
      const row = body.insertRow();
      for (const text of item) row.insertCell().textContent = String(text);
    }
    const total = items.reduce((sum, [, count, price]) => sum + count * price, 0);
    table.createTFoot().innerHTML = `<tr><td>Total<td><td>${total.toFixed(2)}</tr>`;
    const title = document.createElement("h1");
    title.textContent = `Invoice for ${to}`;
    const html = `<!doctype html><style>${STYLE}</style>${title.outerHTML}${table.outerHTML}`;
    const pdf = await env.PAGE.pdf({ html, format: "A4", preferCssPageSize: true });
    return new Response(pdf, { headers: { "content-type": "application/pdf" } });
  },
};
