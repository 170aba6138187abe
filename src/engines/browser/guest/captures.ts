/**
 * What a page can have of its browser: a PDF or a picture of itself, or of HTML that it gives, which is shown for that in
 * a temporary tab of the same context.
 *
 * No request waits for one: a browser has six connections to a host, and the temporary tab needs one of them.
 */
import type { BodySink, Reply } from "../../guest/http_reply.ts";
import { type CaptureRequest, checkSize, checkViewport, pdfOptions } from "./capture_options.ts";
import { readCapture } from "./capture_request.ts";
import { CaptureTurns } from "./capture_turns.ts";
import type { CdpValue } from "./cdp.ts";
import type { PageContext, Place } from "./contexts.ts";
import { HTML_PATH } from "./page_requests.ts";
import type { Target, Targets } from "./targets.ts";
import { within } from "./time_limit.ts";

/** One takes no longer than this, in milliseconds. */
const CAPTURE_MS_MAX = 20_000;

/** What is said of a failure, in characters: it may name what was asked for. */
const MESSAGE_LENGTH_MAX = 1000;

/** Who has asked, and hears what came of it: bytes, or why there are none. */
export interface Asker {
  readonly place: Place | undefined;
  done(result: Uint8Array | string): void;
}

/** Captures of one browser's pages. */
export class Captures {
  readonly #targets: Targets;
  readonly #html = new Map<string, { readonly context: PageContext; readonly bytes: Uint8Array }>();
  readonly #turns = new WeakMap<PageContext, CaptureTurns>();
  /** The last picture of a page itself: one after the other, since each may show it in another size. */
  readonly #lines = new WeakMap<Target, Promise<unknown>>();

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
    const { place } = asker;
    if (place === undefined) {
      reply.send(403, {}, "The page is gone");
      return { data() {}, end() {} };
    }
    const turns = this.#turns.get(place.context) ?? new CaptureTurns();
    this.#turns.set(place.context, turns);
    return turns.read(reply, async (text) => {
      try {
        const data = await turns.run(() => this.#capture(place, readCapture(text)));
        asker.done(Buffer.from(data, "base64"));
      } catch (error) {
        asker.done((error instanceof Error ? error.message : String(error)).slice(0, MESSAGE_LENGTH_MAX));
      }
    });
  }

  async #capture(place: Place, request: CaptureRequest): Promise<string> {
    const { html } = request;
    if (html === undefined) return this.#inLine(place.target, () => this.#shoot(place.target, request, false));
    const name = crypto.randomUUID();
    this.#html.set(name, { context: place.context, bytes: new TextEncoder().encode(html) });
    let target: Target | undefined;
    try {
      const shown = await this.#targets.open(place.context.id);
      target = shown;
      const lost = new Promise<never>((_resolve, reject) =>
        this.#targets.watch(shown, (reason) => reject(new Error(`The temporary page is gone: ${reason}`))),
      );
      const url = `http://${place.context.page?.host}${HTML_PATH}${name}`;
      const shot = this.#show(shown, url, request).then(() => this.#shoot(shown, request, true));
      return await within(CAPTURE_MS_MAX, Promise.race([shot, lost]));
    } finally {
      this.#html.delete(name);
      if (target !== undefined) {
        this.#targets.release(target);
        this.#targets.call("Target.closeTarget", { targetId: target.id }).catch(() => {});
      }
    }
  }

  /** Takes a picture of a page itself when those before it are taken. */
  #inLine(target: Target, shoot: () => Promise<string>): Promise<string> {
    const before = this.#lines.get(target) ?? Promise.resolve();
    const mine = before.then(() => within(CAPTURE_MS_MAX, shoot()));
    const done = mine.catch(() => {});
    this.#lines.set(target, done);
    return mine;
  }

  /** Brings a temporary tab to an address, and waits until all that it shows is there. */
  async #show(target: Target, url: string, request: CaptureRequest): Promise<void> {
    if (request.kind === "screenshot") await this.#targets.size(target, checkViewport(request.viewport));
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
    if (!temporary && viewport !== undefined) await this.#targets.size(target, checkViewport(viewport));
    try {
      if (transparent) await this.#background(target, { color: { r: 0, g: 0, b: 0, a: 0 } });
      const clip = selector === undefined ? undefined : await this.#clipOf(target, selector);
      const whole = fullPage && clip === undefined ? await this.#sizeOf(target) : clip;
      if (whole !== undefined) checkSize(whole, viewport?.deviceScaleFactor);
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

  /** The size of all that a page shows. */
  async #sizeOf(target: Target): Promise<CdpValue> {
    return (await this.#targets.call("Page.getLayoutMetrics", {}, target.session))["cssContentSize"] as CdpValue;
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
