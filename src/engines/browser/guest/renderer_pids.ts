/**
 * Which process renders which tab: the browser tells it only in a trace, of which there can be one at a time.
 */
import type { CdpValue } from "./cdp.ts";
import type { Target, Targets } from "./targets.ts";
import { within } from "./time_limit.ts";

interface TracedFrame {
  readonly processId?: number;
  readonly parent?: string;
}

interface TraceEvent {
  readonly name?: string;
  readonly args?: { readonly data?: { readonly frames?: readonly TracedFrame[] } };
}

/** Where the event is that names the frames' processes. */
const CATEGORY = "disabled-by-default-devtools.timeline";

/** A trace takes no longer than this, in milliseconds; that of a tab which goes meanwhile may never end. */
const TRACE_MS_MAX = 2000;
const TRIES_MAX = 3;

/** Finds processes, one after the other. */
export class RendererPids {
  readonly #targets: Targets;
  #last: Promise<unknown> = Promise.resolve();

  constructor(targets: Targets) {
    this.#targets = targets;
  }

  /** The process of `target`'s page, as the sandbox numbers it; undefined when it cannot be told. */
  find(target: Target): Promise<number | undefined> {
    const found = this.#last.then(() => this.#tryToFind(target));
    this.#last = found;
    return found;
  }

  async #tryToFind(target: Target): Promise<number | undefined> {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      const pid = await within(TRACE_MS_MAX, this.#trace(target)).catch(() => undefined);
      if (pid !== undefined || !this.#targets.has(target)) return pid;
    }
    return undefined;
  }

  #trace(target: Target): Promise<number | undefined> {
    return new Promise((resolve, reject) => {
      let pid: number | undefined;
      this.#targets.listen(target, (method, params) => {
        if (method === "Tracing.dataCollected") pid = pidIn(params) ?? pid;
        else if (method === "Tracing.tracingComplete") resolve(pid);
      });
      const traceConfig = { includedCategories: [CATEGORY], recordMode: "recordUntilFull" };
      this.#targets
        .call("Tracing.start", { transferMode: "ReportEvents", traceConfig }, target.session)
        .then(() => this.#targets.call("Tracing.end", {}, target.session))
        .catch(reject);
    });
  }
}

function pidIn({ value }: CdpValue): number | undefined {
  for (const { name, args } of (value ?? []) as readonly TraceEvent[]) {
    if (name !== "TracingStartedInBrowser") continue;
    return args?.data?.frames?.find(({ parent }) => parent === undefined)?.processId;
  }
  return undefined;
}
