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

/** What pages give as a length: inches, or a text with its unit. */
export type GivenLength = number | string;

/** A request for a PDF; lengths are inches once it is read. */
export interface PdfRequest<Length = number> {
  readonly kind: "pdf";
  readonly html?: string;
  readonly format?: string;
  readonly landscape?: boolean;
  readonly scale?: number;
  readonly width?: Length;
  readonly height?: Length;
  readonly margin?:
    | Length
    | { readonly top?: Length; readonly right?: Length; readonly bottom?: Length; readonly left?: Length };
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

/** A viewport that can be shown. @throws {Error} for one that would be too large */
export function checkViewport(viewport: Viewport | undefined): Viewport | undefined {
  if (viewport !== undefined) checkSize(viewport, viewport.deviceScaleFactor);
  return viewport;
}

/** @throws {Error} when a picture of so many CSS pixels would be too large */
export function checkSize({ width, height }: { readonly width?: unknown; readonly height?: unknown }, scale = 1): void {
  const pixels = Number(width) * Number(height) * scale * scale;
  if (pixels <= PIXELS_MAX) return;
  throw new Error(`Cannot take a picture: it would have ${Math.round(pixels)} pixels, the most is ${PIXELS_MAX}`);
}

const MM_PER_INCH = 25.4;

/** Width and height in inches, by name in lower case. */
export const FORMATS = {
  letter: [8.5, 11],
  legal: [8.5, 14],
  tabloid: [11, 17],
  a3: [297 / MM_PER_INCH, 420 / MM_PER_INCH],
  a4: [210 / MM_PER_INCH, 297 / MM_PER_INCH],
  a5: [148 / MM_PER_INCH, 210 / MM_PER_INCH],
} as const satisfies Readonly<Record<string, readonly [number, number]>>;

/** The parameters of `Page.printToPDF`. */
export function pdfOptions(request: PdfRequest): CdpValue {
  const { format = "a4", landscape = false, scale = 1, background = true, pageRanges = "", header, footer } = request;
  const named = FORMATS[format as keyof typeof FORMATS];
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
