/** What every function that runs in a page finds on its `env`. */
export interface Pages {
  readonly PAGE: {
    pdf(options?: PdfOptions): Promise<Uint8Array<ArrayBuffer>>;
    screenshot(options?: ScreenshotOptions): Promise<Uint8Array<ArrayBuffer>>;
  };
}

/** Lengths are inches as numbers, or texts such as "2cm". */
interface PdfOptions {
  /** What is printed; the page itself when left out. */
  readonly html?: string;
  readonly format?: "A3" | "A4" | "A5" | "Letter" | "Legal" | "Tabloid";
  readonly landscape?: boolean;
  readonly scale?: number;
  readonly margin?: number | string;
  readonly background?: boolean;
  readonly preferCssPageSize?: boolean;
}

interface ScreenshotOptions {
  /** What is shown; the page itself when left out. */
  readonly html?: string;
  readonly selector?: string;
  readonly viewport?: { readonly width: number; readonly height: number; readonly deviceScaleFactor?: number };
  readonly fullPage?: boolean;
  readonly transparent?: boolean;
  readonly type?: "png" | "jpeg" | "webp";
  readonly quality?: number;
}
