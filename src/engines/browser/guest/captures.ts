/**
 * What a page can have of its browser: a PDF or a picture of itself, or of HTML that it gives, which is shown for that in
 * a temporary tab of the same context.
 *
 * No request waits for one: a browser has six connections to a host, and the temporary tab needs one of them.
 */
import type { BodySink, Reply } from "../../guest/http_reply.ts";
import { type CaptureRequest, pdfOptions } from "./capture_options.ts";
import type { CdpValue } from "./cdp.ts";
import type { PageContext, Place } from "./contexts.ts";
import { HTML_PATH } from "./page_requests.ts";
import type { Target, Targets } from "./targets.ts";
import { within } from "./time_limit.ts";

/** What is asked for is read up to this size, in bytes. */
const REQUEST_BYTES_MAX = 16 * 1024 * 1024;

/** One takes no longer than this, in milliseconds. */
const CAPTURE_MS_MAX = 20_000;

/** Captures at a time for one function; so many more wait, and any others are refused. */
const CAPTURES_MAX = 3;
const WAITING_MAX = 64;

/** Who has asked, and hears what came of it: bytes, or why there are none. */
export interface Asker {
  readonly place: Place | undefined;
  done(result: Uint8Array | string): void;
}

/** Captures of one browser's pages. */
export class Captures {
  readonly #targets: Targets;
  readonly #html = new Map<string, { readonly context: PageContext; readonly bytes: Uint8Array }>();
  readonly #turns = new WeakMap<PageContext, { open: number; readonly waiting: (() => void)[] }>();

  constructor(targets: Targets) {
    this.#targets = targets;
  }

  /** The HTML of a temporary page. */
  htmlOf(context: PageContext, name: string): Uint8Array | undefined {
    const kept = this.#html.get(name);
    return kept?.context === context ? kept.bytes : undefined;
  }

  /** Reads what is asked for, and answers that it is; what comes of it is told to `asker` later. */
  take(asker: Asker, reply: Reply): BodySink {
    const parts: Uint8Array[] = [];
    let size = 0;
    return {
      data(bytes) {
        size += bytes.length;
        if (size <= REQUEST_BYTES_MAX) parts.push(bytes.slice());
      },
      end: () => {
        if (size > REQUEST_BYTES_MAX) return reply.send(413, {}, `The HTML is larger than ${REQUEST_BYTES_MAX} bytes`);
        reply.send(202, {}, "");
        this.#answer(asker, Buffer.concat(parts).toString());
      },
    };
  }

  async #answer(asker: Asker, text: string): Promise<void> {
    const { place } = asker;
    if (place === undefined) return;
    const turns = this.#turns.get(place.context) ?? { open: 0, waiting: [] };
    this.#turns.set(place.context, turns);
    if (turns.waiting.length >= WAITING_MAX) return asker.done("Too many pictures and documents are asked for at once");
    while (turns.open >= CAPTURES_MAX) await new Promise<void>((resolve) => turns.waiting.push(resolve));
    turns.open += 1;
    try {
      const data = await within(CAPTURE_MS_MAX, this.#capture(place, JSON.parse(text) as CaptureRequest));
      asker.done(Buffer.from(data, "base64"));
    } catch (error) {
      asker.done(error instanceof Error ? error.message : String(error));
    } finally {
      turns.open -= 1;
      turns.waiting.shift()?.();
    }
  }

  async #capture(place: Place, request: CaptureRequest): Promise<string> {
    const { html } = request;
    if (html === undefined) return this.#shoot(place.target, request, false);
    const name = crypto.randomUUID();
    this.#html.set(name, { context: place.context, bytes: new TextEncoder().encode(html) });
    let target: Target | undefined;
    try {
      target = await this.#targets.open(place.context.id);
      await this.#show(target, `http://${place.context.page?.host}${HTML_PATH}${name}`, request);
      return await this.#shoot(target, request, true);
    } finally {
      this.#html.delete(name);
      if (target !== undefined) {
        this.#targets.release(target);
        this.#targets.call("Target.closeTarget", { targetId: target.id }).catch(() => {});
      }
    }
  }

  /** Brings a temporary tab to an address, and waits until all that it shows is there. */
  async #show(target: Target, url: string, request: CaptureRequest): Promise<void> {
    if (request.kind === "screenshot") await this.#targets.size(target, request.viewport);
    const loaded = new Promise<void>((resolve) => {
      this.#targets.listen(target, (method) => {
        if (method === "Page.loadEventFired") resolve();
      });
    });
    const { errorText } = await this.#targets.call("Page.navigate", { url }, target.session);
    if (errorText !== undefined) throw new Error(`Cannot show the HTML: ${errorText}`);
    await loaded;
    const expression = "document.fonts.ready.then(() => undefined)";
    await this.#targets.call("Runtime.evaluate", { expression, awaitPromise: true }, target.session);
  }

  async #shoot(target: Target, request: CaptureRequest, temporary: boolean): Promise<string> {
    if (request.kind === "pdf") {
      const { data } = await this.#targets.call("Page.printToPDF", pdfOptions(request), target.session);
      return data as string;
    }
    const { type = "png", quality, selector, fullPage = false, transparent = false, viewport } = request;
    if (!temporary && viewport !== undefined) await this.#targets.size(target, viewport);
    try {
      if (transparent) await this.#background(target, { color: { r: 0, g: 0, b: 0, a: 0 } });
      const clip = selector === undefined ? undefined : await this.#clipOf(target, selector);
      const params = {
        format: type,
        ...(quality !== undefined && type !== "png" && { quality }),
        ...(clip !== undefined && { clip }),
        captureBeyondViewport: fullPage || clip !== undefined,
        optimizeForSpeed: true,
      };
      const { data } = await this.#targets.call("Page.captureScreenshot", params, target.session);
      return data as string;
    } finally {
      if (!temporary) {
        if (transparent) await this.#background(target, {});
        if (viewport !== undefined) await this.#targets.size(target);
      }
    }
  }

  #background(target: Target, params: CdpValue): Promise<CdpValue> {
    return this.#targets.call("Emulation.setDefaultBackgroundColorOverride", params, target.session);
  }

  /** Where the first element that a selector names is on its page. @throws {Error} when there is none */
  async #clipOf(target: Target, selector: string): Promise<CdpValue> {
    const expression = `(() => {
      const found = document.querySelector(${JSON.stringify(selector)});
      if (found === null) return null;
      const { x, y, width, height } = found.getBoundingClientRect();
      return { x: x + scrollX, y: y + scrollY, width, height, scale: 1 };
    })()`;
    const answer = await this.#targets.call("Runtime.evaluate", { expression, returnByValue: true }, target.session);
    const { value } = answer["result"] as { value?: CdpValue | null };
    if (!value) throw new Error(`Cannot take a picture: nothing is at "${selector.slice(0, 200)}"`);
    if (!((value["width"] as number) > 0 && (value["height"] as number) > 0)) {
      throw new Error(`Cannot take a picture: what is at "${selector.slice(0, 200)}" has no size`);
    }
    return value;
  }
}
