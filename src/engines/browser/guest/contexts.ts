/**
 * Browser contexts: one a function version, each with an address of its own on the sandbox's loopback, which is the only
 * thing that it can reach, and by which the guest knows who is calling.
 *
 * Some wait with a blank tab. What a browser keeps for a page (cookies, storage, caches, locks) is a context's, and goes
 * with it.
 */
import type { Handler } from "../../guest/http_reply.ts";
import { listen } from "../../guest/http_server.ts";
import { PROXY_PORT } from "./flags.ts";
import type { LoadedPage } from "./loaded_page.ts";
import { tellRequests } from "./renderer_pids.ts";
import type { Target, Targets } from "./targets.ts";

/** Contexts that wait for a function. */
const STOCK = 2;

/** The stock is filled up this long after one was taken, in milliseconds: not while a request waits for its tab. */
const REFILL_MS = 150;

/** Addresses end here; an address that was used comes again only after all others. */
const ADDRESSES_MAX = 60_000;

/** A context of the browser. */
export interface PageContext {
  readonly id: string;
  readonly address: string;
  /** What its tabs are given; undefined while it waits. */
  page: LoadedPage | undefined;
  /** Answers requests to its address. */
  handler: Handler | undefined;
  /** Its tabs, and those that are being made. */
  users: number;
  /** The tab that it came with, until somebody has it. */
  blank: Target | undefined;
  stop(): void;
}

/** A tab in a context. */
export interface Place {
  readonly context: PageContext;
  readonly target: Target;
}

/** The contexts of a browser. */
export class Contexts {
  readonly #targets: Targets;
  readonly #script: string;
  readonly #stock: PageContext[] = [];
  readonly #byKey = new Map<string, Promise<PageContext>>();
  readonly #addresses = new Set<number>();
  #nextAddress = 0;
  #filling = false;

  /** @param script what every page begins with */
  constructor(targets: Targets, script: string) {
    this.#targets = targets;
    this.#script = script;
  }

  /** Fills the stock; resolves when that is done, and never rejects. */
  async fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    try {
      while (this.#stock.length < STOCK) this.#stock.push(await this.#create());
    } catch {
      // The browser is gone or stuck; whoever wants a context hears of it.
    } finally {
      this.#filling = false;
    }
  }

  /** Throws away what waits: it may have lost its proxy. */
  async discardStock(): Promise<void> {
    await Promise.all(this.#stock.splice(0).map((context) => this.#dispose(context)));
  }

  /** A tab in the context of `key`, which is made when there is none. @throws {CdpError} */
  async open(key: string): Promise<Place> {
    let making = this.#byKey.get(key);
    if (making === undefined) {
      making = this.#take();
      this.#byKey.set(key, making);
      making.catch(() => this.#byKey.delete(key));
    }
    const context = await making;
    context.users += 1;
    const { blank } = context;
    context.blank = undefined;
    try {
      return { context, target: blank ?? (await this.#openTab(context.id)) };
    } catch (error) {
      await this.leave(key, context);
      throw error;
    }
  }

  /** One user less; the last one takes the context along. True when it did. */
  async leave(key: string, context: PageContext): Promise<boolean> {
    context.users -= 1;
    if (context.users > 0) return false;
    this.#byKey.delete(key);
    await this.#dispose(context);
    return true;
  }

  #take(): Promise<PageContext> {
    const waiting = this.#stock.shift();
    setTimeout(() => this.fill(), REFILL_MS);
    return waiting === undefined ? this.#create() : Promise.resolve(waiting);
  }

  async #create(): Promise<PageContext> {
    const number = this.#freeAddress();
    const address = `127.0.${1 + Math.floor(number / 250)}.${1 + (number % 250)}`;
    let context: PageContext | undefined;
    const server = listen({ hostname: address, port: PROXY_PORT }, (head, reply) => {
      if (context?.handler !== undefined) return context.handler(head, reply);
      reply.send(403, {}, "");
      return { data() {}, end() {} };
    });
    const stop = () => {
      server.stop(true);
      this.#addresses.delete(number);
    };
    let id: string | undefined;
    try {
      const proxyServer = `http://${address}:${PROXY_PORT}`;
      const made = await this.#targets.call("Target.createBrowserContext", {
        proxyServer,
        proxyBypassList: "<-loopback>",
      });
      id = made["browserContextId"] as string;
      const nothing = { behavior: "deny", browserContextId: id };
      const [blank] = await Promise.all([
        this.#openTab(id),
        this.#targets.call("Browser.setDownloadBehavior", nothing),
      ]);
      context = { id, address, page: undefined, handler: undefined, users: 0, blank, stop };
      return context;
    } catch (error) {
      stop();
      if (id !== undefined)
        this.#targets.call("Target.disposeBrowserContext", { browserContextId: id }).catch(() => {});
      throw error;
    }
  }

  /** A blank tab, whose next page begins with our script. @throws {CdpError} */
  async #openTab(contextId: string): Promise<Target> {
    const target = await this.#targets.open(contextId);
    const script = { source: this.#script };
    await Promise.all([
      tellRequests(this.#targets, target),
      this.#targets.call("Page.addScriptToEvaluateOnNewDocument", script, target.session),
    ]);
    return target;
  }

  async #dispose({ id, blank, stop }: PageContext): Promise<void> {
    if (blank !== undefined) this.#targets.release(blank);
    try {
      await this.#targets.call("Target.disposeBrowserContext", { browserContextId: id });
    } catch {
      // Gone already, or with the browser.
    }
    stop();
  }

  #freeAddress(): number {
    for (let tries = 0; tries < ADDRESSES_MAX; tries += 1) {
      const number = this.#nextAddress;
      this.#nextAddress = (number + 1) % ADDRESSES_MAX;
      if (this.#addresses.has(number)) continue;
      this.#addresses.add(number);
      return number;
    }
    throw new Error("Cannot make a context: every address is taken");
  }
}
