/** `env.PAGE`: pictures and PDFs of the page, or of HTML that is given, made by the browser. */
import type { PdfRequest, ScreenshotRequest } from "../capture_options.ts";

/** Options without what says which of both it is. */
type Options<Request> = Omit<Request, "kind">;

/** What a handler finds. */
export interface PageBinding {
  /** A PDF of the page as it is now, or of `html`. */
  pdf(options?: Options<PdfRequest>): Promise<Uint8Array<ArrayBuffer>>;
  /** A picture of the page as it is now, of one element of it, or of `html`. */
  screenshot(options?: Options<ScreenshotRequest>): Promise<Uint8Array<ArrayBuffer>>;
}

const native = globalThis.fetch;

/** @param token by which the guest knows the page */
export function createPageBinding(token: string): PageBinding {
  const capture = async (request: object): Promise<Uint8Array<ArrayBuffer>> => {
    const answer = await native(`/__isopod/capture?${token}`, { method: "POST", body: JSON.stringify(request) });
    if (!answer.ok) throw new Error((await answer.text()) || `The browser answered with ${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  };
  return {
    pdf: (options = {}) => capture({ ...options, kind: "pdf" }),
    screenshot: (options = {}) => capture({ ...options, kind: "screenshot" }),
  };
}
