/** What a page may ask for of a PDF and of a picture, and what of it the browser is told. */
import type { CdpValue } from "./cdp.ts";

/** The size of what is shown, in CSS pixels. */
export interface Viewport {
  readonly width: number;
  readonly height: number;
  readonly deviceScaleFactor?: number;
}

/** A request for a picture. */
export interface ScreenshotRequest {
  readonly kind: "screenshot";
  /** Shown in a temporary tab; the page itself when left out. */
  readonly html?: string;
  /** The first element that it names, and nothing around it. */
  readonly selector?: string;
  readonly viewport?: Viewport;
  readonly fullPage?: boolean;
  /** Without a white background. */
  readonly transparent?: boolean;
  readonly type?: "png" | "jpeg" | "webp";
  /** From 0 to 100, of a JPEG or WebP. */
  readonly quality?: number;
}

/** A request for a PDF; lengths are inches. */
export interface PdfRequest {
  readonly kind: "pdf";
  readonly html?: string;
  readonly format?: string;
  readonly landscape?: boolean;
  readonly scale?: number;
  readonly width?: number;
  readonly height?: number;
  readonly margin?:
    | number
    | { readonly top?: number; readonly right?: number; readonly bottom?: number; readonly left?: number };
  readonly background?: boolean;
  readonly pageRanges?: string;
  readonly header?: string;
  readonly footer?: string;
  readonly preferCssPageSize?: boolean;
}

/** What can be asked for. */
export type CaptureRequest = ScreenshotRequest | PdfRequest;

/** The largest picture, in pixels: the browser draws it in a process that all its functions share. */
const PIXELS_MAX = 32_000_000;

/** A viewport that can be shown. @throws {Error} */
export function checkViewport(viewport: Viewport | undefined): Viewport | undefined {
  if (viewport === undefined) return undefined;
  const { width, height, deviceScaleFactor = 1 } = viewport;
  const isSize = [width, height].every((each) => Number.isInteger(each) && each > 0);
  if (!isSize || !(deviceScaleFactor > 0)) {
    throw new Error("Cannot take a picture: expected whole numbers above 0 as the viewport's width and height");
  }
  checkSize({ width, height }, deviceScaleFactor);
  return viewport;
}

/** @throws {Error} when a picture of so many CSS pixels would be too large */
export function checkSize({ width, height }: { readonly width?: unknown; readonly height?: unknown }, scale = 1): void {
  const pixels = Number(width) * Number(height) * scale * scale;
  if (pixels <= PIXELS_MAX) return;
  throw new Error(`Cannot take a picture: it would have ${Math.round(pixels)} pixels, the most is ${PIXELS_MAX}`);
}

const MM_PER_INCH = 25.4;

/** Width and height in inches. */
const FORMATS: Readonly<Record<string, readonly [number, number]>> = {
  letter: [8.5, 11],
  legal: [8.5, 14],
  tabloid: [11, 17],
  a3: [297 / MM_PER_INCH, 420 / MM_PER_INCH],
  a4: [210 / MM_PER_INCH, 297 / MM_PER_INCH],
  a5: [148 / MM_PER_INCH, 210 / MM_PER_INCH],
};

/** The parameters of `Page.printToPDF`. @throws {Error} for a format that nobody knows */
export function pdfOptions(request: PdfRequest): CdpValue {
  const { format, landscape = false, scale = 1, background = true, pageRanges = "", header, footer } = request;
  const named = format === undefined ? FORMATS["a4"] : FORMATS[format.toLowerCase()];
  if (named === undefined)
    throw new Error(`Cannot print: the format "${format}" is none of ${Object.keys(FORMATS).join(", ")}`);
  const margin = typeof request.margin === "number" ? evenly(request.margin) : { ...evenly(0.4), ...request.margin };
  return {
    ...{ landscape, scale, pageRanges, printBackground: background },
    paperWidth: request.width ?? named[0],
    paperHeight: request.height ?? named[1],
    marginTop: margin.top,
    marginRight: margin.right,
    marginBottom: margin.bottom,
    marginLeft: margin.left,
    displayHeaderFooter: header !== undefined || footer !== undefined,
    headerTemplate: header ?? "<span></span>",
    footerTemplate: footer ?? "<span></span>",
    preferCSSPageSize: request.preferCssPageSize ?? false,
  };
}

function evenly(inches: number) {
  return { top: inches, right: inches, bottom: inches, left: inches };
}
