// curl localhost:8080/badge/build/passing
//
// A Hono application, as it is anywhere else.

import { Hono } from "hono";

const app = new Hono();
const WIDTH = 7;

app.get("/badge/:label/:value", (context) => {
  const { label, value } = context.req.param();
  const [left, right] = [label, value].map((text) => ({ text: escaped(text), width: WIDTH * text.length + 20 }));
  if (!left || !right) return context.notFound();
  const box = (x: number, width: number, colour: string) =>
    `<path fill="${colour}" d="M${x} 0h${width}v20h-${width}z"/>`;
  const text = (x: number, content: string) =>
    `<text x="${x}" y="14" fill="#fff" text-anchor="middle">${content}</text>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${left.width + right.width}" height="20" font-family="monospace" font-size="11">
${box(0, left.width, "#555")}${box(left.width, right.width, "#2a7")}
${text(left.width / 2, left.text)}${text(left.width + right.width / 2, right.text)}
</svg>
`;
  return context.body(svg, 200, { "content-type": "image/svg+xml" });
});

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

export default app;
