/** Reads what a test must know of a PDF as Chromium writes it: its pages, their size, the texts on them. */
import { inflateSync } from "node:zlib";

/** A document. */
export interface PdfFacts {
  readonly pages: number;
  /** Of the first page, in points. */
  readonly width: number;
  readonly height: number;
  /** The runs of text, without what is between them. */
  readonly texts: readonly string[];
}

/** @throws {Error} when it is none */
export function readPdf(bytes: Uint8Array): PdfFacts {
  const text = Buffer.from(bytes).toString("latin1");
  if (!text.startsWith("%PDF-") || !text.trimEnd().endsWith("%%EOF"))
    throw new Error("Cannot read the PDF: it is none");
  const [, width, height] = /\/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/.exec(text) ?? [];
  const streams = [...text.matchAll(/\/FlateDecode[^>]*>>\s*stream\r?\n/g)].map((match) => {
    const from = match.index + match[0].length;
    try {
      return inflateSync(Buffer.from(text.slice(from, text.indexOf("endstream", from)), "latin1")).toString("latin1");
    } catch {
      return "";
    }
  });
  const maps = streams.filter((stream) => stream.includes("begincmap")).map(readMap);
  const shown = streams
    .filter((stream) => /\bBT\b/.test(stream))
    .flatMap((stream) => stream.match(/<[0-9A-F]+>/gi) ?? []);
  const texts = shown.flatMap((hex) => maps.map((map) => decode(hex.slice(1, -1), map)));
  return {
    pages: [...text.matchAll(/\/Type \/Page\b(?!s)/g)].length,
    ...{ width: Number(width), height: Number(height), texts },
  };
}

/** From glyphs to characters. */
function readMap(stream: string): Map<string, string> {
  const map = new Map<string, string>();
  const character = (hex: string) => String.fromCharCode(Number.parseInt(hex, 16));
  for (const [, glyph = "", to = ""] of stream.matchAll(/^<(\w{4})> <(\w{4})>$/gm))
    map.set(glyph.toUpperCase(), character(to));
  for (const [, first = "", last = "", to = ""] of stream.matchAll(/^<(\w{4})> <(\w{4})> <(\w{4})>$/gm)) {
    const [from, until, start] = [first, last, to].map((hex) => Number.parseInt(hex, 16)) as [number, number, number];
    for (let glyph = from; glyph <= until; glyph += 1) {
      map.set(glyph.toString(16).toUpperCase().padStart(4, "0"), String.fromCharCode(start + glyph - from));
    }
  }
  return map;
}

function decode(hex: string, map: ReadonlyMap<string, string>): string {
  return (hex.match(/.{4}/g) ?? []).map((glyph) => map.get(glyph.toUpperCase()) ?? "?").join("");
}
