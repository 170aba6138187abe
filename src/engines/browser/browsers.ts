/**
 * The browsers of a server: one a project, replaced when it has served its time and started again when it dies.
 *
 * The next one is there before the one that is due stops taking tabs; that one stays until its last tab has ended, so that
 * no request is lost to a replacement.
 */
import { IsopodError } from "../../core/errors.ts";
import type { Browser } from "./browser.ts";

/** How often they are looked at, in milliseconds. */
const LOOK_MS = 1000;

/** One that has had no tab for this long is ended, in milliseconds. */
const IDLE_MS = 300_000;

/** A browser that does not start is not started again before this time, in milliseconds. */
const RETRY_MS = 1000;

/** The browsers. */
export class Browsers {
  readonly #start: () => Promise<Browser>;
  /** By project, those that new tabs are opened in. */
  readonly #current = new Map<string, Promise<Browser>>();
  readonly #all = new Set<Browser>();
  readonly #renewing = new Set<string>();
  #timer: Timer | undefined;
  #closed = false;

  /** @param start starts one, which need not be ready */
  constructor(start: () => Promise<Browser>) {
    this.#start = start;
  }

  /** The browser of a project. @throws {IsopodError} `start_failed`, `draining` */
  of(project: string): Promise<Browser> {
    return this.#current.get(project) ?? this.#renew(project);
  }

  /** Ends all. */
  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#timer);
    const starting = [...this.#current.values()].map((each) => each.catch(() => undefined));
    for (const browser of this.#all) browser.kill();
    await Promise.all(starting);
    await Promise.all([...this.#all].map(({ gone }) => gone));
  }

  #renew(project: string): Promise<Browser> {
    const made = this.#launch(project);
    this.#current.set(project, made);
    made.catch(() => {
      if (this.#current.get(project) === made) this.#current.delete(project);
    });
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS);
    return made;
  }

  async #launch(project: string): Promise<Browser> {
    const browser = await this.#start();
    this.#all.add(browser);
    if (this.#closed) browser.kill();
    browser.gone.then(() => {
      this.#all.delete(browser);
      this.#died(project, browser);
    });
    await browser.ready;
    if (this.#closed) throw new IsopodError("draining");
    return browser;
  }

  async #died(project: string, browser: Browser): Promise<void> {
    const present = this.#current.get(project);
    if ((await present?.catch(() => undefined)) !== browser || this.#closed) return;
    if (this.#current.get(project) !== present) return;
    this.#current.delete(project);
    // Whoever had a page will want one again, at once.
    if (browser.hadTabs) this.#renew(project).catch(() => {});
  }

  async #look(): Promise<void> {
    const now = performance.now();
    for (const [project, making] of this.#current) {
      const browser = await making.catch(() => undefined);
      if (browser === undefined || this.#current.get(project) !== making) continue;
      if (browser.idleSince !== undefined && now - browser.idleSince > IDLE_MS) {
        this.#current.delete(project);
        browser.kill();
      } else if (browser.isSpent && !this.#renewing.has(project)) {
        this.#replace(project, making, browser);
      }
    }
  }

  /** The next one first, then the end of the old one. */
  async #replace(project: string, making: Promise<Browser>, old: Browser): Promise<void> {
    this.#renewing.add(project);
    try {
      const next = this.#launch(project);
      const made = await next;
      const present = this.#current.get(project);
      if (present === making || present === undefined) this.#current.set(project, next);
      // The old one has died meanwhile, and another was started in its place.
      else made.retire();
      old.retire();
    } catch {
      // The old one goes on; it is tried again.
      await Bun.sleep(RETRY_MS);
    } finally {
      this.#renewing.delete(project);
    }
  }
}
