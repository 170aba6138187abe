/** `env.PAGE`: pictures and PDFs of the page, or of HTML that is given, made by the browser. */
import type { GivenLength, PdfRequest, ScreenshotRequest } from "../capture_options.ts";

/** Options without what says which of both it is. */
type Options<Request> = Omit<Request, "kind">;

/** What a handler finds. */
export interface PageBinding {
  /** A PDF of the page as it is now, or of `html`. */
  pdf(options?: Options<PdfRequest<GivenLength>>): Promise<Uint8Array<ArrayBuffer>>;
  /** A picture of the page as it is now, of one element of it, or of `html`. */
  screenshot(options?: Options<ScreenshotRequest>): Promise<Uint8Array<ArrayBuffer>>;
}

const native = globalThis.fetch;

/** What waits for the guest to say that it is there. */
interface Waiting {
  resolve(): void;
  reject(error: Error): void;
}

/** The page's way to its browser. */
export class PageBrowser {
  readonly #token: string;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  readonly binding: PageBinding = {
    pdf: (options = {}) => this.#capture({ ...options, kind: "pdf" }),
    screenshot: (options = {}) => this.#capture({ ...options, kind: "screenshot" }),
  };

  /** @param token by which the guest knows the page */
  constructor(token: string) {
    this.#token = token;
  }

  /** The guest says that what was asked for under `id` can be fetched, or why there is none. */
  told(id: number, said: unknown): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    const { error } = said as { readonly error?: string };
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(new Error(error));
  }

  async #capture(request: PdfRequest<GivenLength> | ScreenshotRequest): Promise<Uint8Array<ArrayBuffer>> {
    const id = this.#next;
    this.#next += 1;
    // Whole: the page may have a base of its own.
    const address = `${location.origin}/__isopod/capture?${this.#token}&${id}`;
    const made = new Promise<void>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    // Who is refused does not wait for it.
    made.catch(() => {});
    const asked = await native(address, { method: "POST", body: JSON.stringify(request) });
    if (!asked.ok) {
      this.#waiting.delete(id);
      throw new Error((await asked.text()) || `The browser answered with ${asked.status}`);
    }
    await made;
    return new Uint8Array(await (await native(address)).arrayBuffer());
  }
}
