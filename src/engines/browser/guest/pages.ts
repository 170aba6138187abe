/** The pages of one browser: each tab with its place, its page and its process, from the host's wish to the end. */
import type { Connection } from "../../../wire/connection.ts";
import { FRAME } from "../../../wire/frame.ts";
import { parseJson } from "../../../wire/heads.ts";
import type { LoadParcel } from "../../../wire/parcels.ts";
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import type { BodySink, Reply } from "../../guest/http_reply.ts";
import { Captures } from "./captures.ts";
import { Contexts, type PageContext, type Place } from "./contexts.ts";
import { kill } from "./kill.ts";
import { LoadedPage } from "./loaded_page.ts";
import { type PageRequestHost, pageHandler } from "./page_requests.ts";
import { watchRenderer } from "./renderer_pids.ts";
import { Tab, type TabHost } from "./tab.ts";
import type { Targets } from "./targets.ts";

/** What a page may store, in bytes: all of it is kept in memory. */
const QUOTA_BYTES = 64 * 1024 * 1024;

const CRASHES: Readonly<Record<string, string>> = {
  oom: "The page's process was ended for want of memory",
  crashed: "The page's process has crashed",
  closed: "The page was closed",
};

/** The pages. */
export class Pages implements TabHost, PageRequestHost {
  readonly connection: Connection;
  readonly #targets: Targets;
  readonly #contexts: Contexts;
  readonly #captures: Captures;
  readonly #byStream = new Map<number, Tab>();
  /** Those whose page has not connected yet. */
  readonly #unclaimed = new Map<string, Tab>();
  readonly #byToken = new Map<string, Tab>();

  /** @param script what every page begins with */
  constructor(connection: Connection, targets: Targets, script: string) {
    this.connection = connection;
    this.#targets = targets;
    this.#contexts = new Contexts(targets, script);
    this.#captures = new Captures(targets);
    this.#contexts.fill();
  }

  /** Takes an instance that the host wants. */
  accept(stream: WireStream, head: Uint8Array): StreamEvents {
    const { key } = parseJson(head) as { key: string };
    const tab = new Tab(stream, key, this);
    this.#byStream.set(stream.id, tab);
    return tab;
  }

  /** The host wants what the instance runs now to stop. */
  interrupt(stream: number): void {
    this.#byStream.get(stream)?.interrupt();
  }

  async open(tab: Tab, load: LoadParcel, bytes: Uint8Array): Promise<void> {
    try {
      await this.#bring(tab, load, bytes);
    } catch {
      if (tab.over) return;
      // After the network process has died, contexts have lost their proxies: those that wait, too.
      this.#leave(tab);
      await this.#contexts.discardStock();
      await this.#bring(tab, load, bytes);
    }
  }

  close(tab: Tab): void {
    this.#byStream.delete(tab.stream.id);
    this.#leave(tab);
  }

  terminate({ target }: Place): void {
    this.#targets.call("Runtime.terminateExecution", {}, target.session).catch(() => {});
  }

  claim(context: PageContext, token: string): Tab | undefined {
    const tab = this.#unclaimed.get(token);
    if (tab?.place?.context !== context) return undefined;
    this.#unclaimed.delete(token);
    return tab;
  }

  tabOf(context: PageContext, token: string): Tab | undefined {
    const tab = this.#byToken.get(token);
    return tab?.place?.context === context ? tab : undefined;
  }

  htmlOf(context: PageContext, name: string): Uint8Array | undefined {
    return this.#captures.htmlOf(context, name);
  }

  capture(tab: Tab, id: number, reply: Reply): BodySink {
    return this.#captures.take({ place: tab.place, done: (result) => tab.captured(id, result) }, reply);
  }

  async #bring(tab: Tab, load: LoadParcel, bytes: Uint8Array): Promise<void> {
    const place = await this.#contexts.open(tab.key);
    const { context, target } = place;
    tab.place = place;
    if (tab.over) return this.#leave(tab);
    context.page ??= new LoadedPage(load, bytes);
    context.handler ??= pageHandler(context, this);
    const { host, modulePath } = context.page;
    tab.modulePath = modulePath;
    this.#unclaimed.set(tab.token, tab);
    this.#byToken.set(tab.token, tab);
    this.#targets.watch(target, (reason) => {
      // Its process is gone, and the number may be another's.
      if (reason !== "closed") tab.pid = undefined;
      const code = reason === "oom" ? "memory" : reason === "closed" ? "program_ended" : "crash";
      tab.lose(code, CRASHES[reason] ?? reason);
    });
    const origin = `http://${host}`;
    watchRenderer(this.#targets, target, (pid) => this.#located(tab, place, pid));
    const [{ errorText }] = await Promise.all([
      this.#targets.call("Page.navigate", { url: `${origin}/#${tab.token}` }, target.session),
      this.#targets.call("Storage.overrideQuotaForOrigin", { origin, quotaSize: QUOTA_BYTES }, target.session),
    ]);
    if (errorText !== undefined) throw new Error(`Cannot load the page: ${errorText}`);
  }

  /** The host looks the process up and watches it, before the page's program is begun. */
  #located(tab: Tab, place: Place, pid: number): void {
    if (tab.over || tab.place !== place) return;
    tab.pid = pid;
    this.connection.sendText(FRAME.ready, tab.stream.id, JSON.stringify({ pid }));
    tab.arrival.located();
  }

  /** Gives a tab's place up, with the process that renders it. */
  #leave(tab: Tab): void {
    const { place, pid, token } = tab;
    this.#unclaimed.delete(token);
    this.#byToken.delete(token);
    tab.place = undefined;
    if (place === undefined) return;
    tab.pid = undefined;
    this.#end(tab.key, place, pid).catch(() => {});
  }

  /** Its renderer goes at once: one that computes would otherwise go on for half a second. */
  async #end(key: string, { context, target }: Place, pid: number | undefined): Promise<void> {
    this.#targets.release(target);
    const inUse = [...this.#byStream.values()].some((other) => other.pid === pid);
    if (pid !== undefined && !inUse) kill(pid);
    const isLast = await this.#contexts.leave(key, context);
    if (!isLast) await this.#targets.call("Target.closeTarget", { targetId: target.id });
  }
}
