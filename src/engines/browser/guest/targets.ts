/**
 * The tabs of one browser: which are ours, and what becomes of those that a page has opened.
 *
 * A tab that nobody here has made is closed. Dialogs are answered, so that no page waits for somebody who is not there.
 */

import type { Viewport } from "./capture_options.ts";
import type { CdpValue } from "./cdp.ts";
import { Chromium } from "./chromium.ts";

/** What a page has to show itself in, unless another size is asked for. */
const VIEWPORT: Viewport = { width: 800, height: 600 };

/** The window behind it, which nobody looks at: the browser would keep a picture of it, 2 MB for one of 800 by 600. */
const WINDOW: Viewport = { width: 1, height: 1 };

/** A tab that we have made. */
export interface Target {
  readonly id: string;
  readonly session: string;
}

/** Who hears that a tab is gone, and why. */
export type Loss = (reason: string) => void;

/** The tabs of a browser. */
export class Targets {
  readonly #chromium: Chromium;
  readonly #ours = new Map<string, Loss | undefined>();
  readonly #bySession = new Map<string, (method: string, params: CdpValue) => void>();
  /** Tabs that appeared while we were making some, and whose they are is not known yet. */
  readonly #unknown = new Set<string>();
  #making = 0;

  /** @param gone is called when the browser is gone */
  constructor(program: string, gone: () => void) {
    this.#chromium = new Chromium(program, {
      event: (method, params, session) => this.#event(method, params, session),
      end: gone,
    });
  }

  /** The browser's process. */
  get chromium(): Chromium {
    return this.#chromium;
  }

  /** Waits until the browser answers. @throws {CdpError} */
  async ready(): Promise<void> {
    await this.#chromium.call("Target.setDiscoverTargets", { discover: true });
  }

  /** Calls a method. @throws {CdpError} */
  call(method: string, params?: CdpValue, session?: string): Promise<CdpValue> {
    return this.#chromium.call(method, params, session);
  }

  /** Makes a blank tab in a context, or in the browser's own, which reaches nothing. @throws {CdpError} */
  async open(browserContextId?: string): Promise<Target> {
    this.#making += 1;
    let id: string | undefined;
    try {
      const { targetId } = await this.call("Target.createTarget", { url: "about:blank", browserContextId, ...WINDOW });
      id = targetId as string;
      this.#ours.set(id, undefined);
      this.#unknown.delete(id);
      const { sessionId } = await this.call("Target.attachToTarget", { targetId: id, flatten: true });
      const target = { id, session: sessionId as string };
      // Without the first no dialog would be told of, and the page would wait for ever.
      await Promise.all([this.call("Page.enable", {}, target.session), this.size(target)]);
      return target;
    } catch (error) {
      if (id !== undefined) {
        this.#ours.delete(id);
        this.call("Target.closeTarget", { targetId: id }).catch(() => {});
      }
      throw error;
    } finally {
      this.#making -= 1;
      if (this.#making === 0) this.#closeUnknown();
    }
  }

  /** Gives a tab a size to show itself in. @throws {CdpError} */
  async size({ session }: Target, { width, height, deviceScaleFactor = 1 }: Viewport = VIEWPORT): Promise<void> {
    const metrics = { width, height, deviceScaleFactor, mobile: false };
    await this.call("Emulation.setDeviceMetricsOverride", metrics, session);
  }

  /** Whether a tab is there. */
  has({ id }: Target): boolean {
    return this.#ours.has(id);
  }

  /** Who hears that a tab is gone. */
  watch({ id }: Target, loss: Loss): void {
    this.#ours.set(id, loss);
  }

  /** Hears the events of a tab, those of dialogs left out, until it is let go. */
  listen({ session }: Target, listener: (method: string, params: CdpValue) => void): void {
    this.#bySession.set(session, listener);
  }

  /** Hears nothing more of a tab. */
  release({ id, session }: Target): void {
    this.#ours.delete(id);
    this.#bySession.delete(session);
  }

  #event(method: string, params: CdpValue, session: string | undefined): void {
    if (session !== undefined) {
      if (method === "Page.javascriptDialogOpening") {
        this.call("Page.handleJavaScriptDialog", { accept: params["type"] === "beforeunload" }, session).catch(
          () => {},
        );
      } else {
        this.#bySession.get(session)?.(method, params);
      }
    } else if (method === "Target.targetCreated") {
      const { targetId, type } = params["targetInfo"] as { targetId: string; type: string };
      if (type !== "page" || this.#ours.has(targetId)) return;
      this.#unknown.add(targetId);
      if (this.#making === 0) this.#closeUnknown();
    } else if (method === "Target.targetDestroyed") {
      this.#unknown.delete(params["targetId"] as string);
      this.#lose(params["targetId"] as string, "closed");
    } else if (method === "Target.targetCrashed") {
      this.#lose(params["targetId"] as string, params["status"] === "oom" ? "oom" : "crashed");
    }
  }

  #lose(id: string, reason: string): void {
    const loss = this.#ours.get(id);
    this.#ours.delete(id);
    loss?.(reason);
  }

  #closeUnknown(): void {
    for (const targetId of this.#unknown) this.call("Target.closeTarget", { targetId }).catch(() => {});
    this.#unknown.clear();
  }
}
