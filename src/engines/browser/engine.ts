/**
 * The `browser` engine: functions whose handlers run in pages of a headless Chromium, one browser a project.
 *
 * An instance is a tab. The pool starts, chooses, watches and ends it as it does a process; what tabs share, and when that
 * is replaced, is known here alone: a browser that is due gets no more tabs, and ends with the last that it has.
 */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import type { Engine, GuestProcess } from "../../core/engine.ts";
import { IsopodError } from "../../core/errors.ts";
import { requireChromium } from "../../sandbox/chromium.ts";
import { layRoot } from "../../sandbox/root.ts";
import { Sandbox } from "../../sandbox/sandbox.ts";
import { outerFilter } from "../../sandbox/seccomp.ts";
import { ETC_FILES, systemFiles, systemRoot } from "../../sandbox/system_root.ts";
import type { UidRange } from "../../sandbox/uids.ts";
import { Browser } from "./browser.ts";
import { Browsers } from "./browsers.ts";

/** The guest and the script of pages, ready to be run. */
export interface BrowserGuest {
  /** An executable of its own, or the Bun binary. */
  readonly program: string;
  /** The guest's text, when `program` is Bun. */
  readonly code: string | undefined;
  /** What every page begins with. */
  readonly page: string;
}

/** How the engine is set up. */
export interface BrowserEngineOptions {
  /** Makes the guest, once, when it is first needed. */
  browserGuest(): Promise<BrowserGuest>;
  /** What ISOPOD_CHROMIUM says. */
  readonly chromium: string | undefined;
  /** Where what sandboxes stand on is laid. */
  readonly directory: string;
  readonly uids?: UidRange | undefined;
  /** A browser that has had so many tabs is replaced; 5000 when left out. */
  readonly tabsMax?: number | undefined;
}

const GUEST = "guest.js";
const PAGE = "page.js";

/** Bun reserves a gigabyte for machine code, of which a guest needs little. */
const ENVIRONMENT = { BUN_JSC_jitMemoryReservationSize: String(64 * 1024 * 1024), TZ: "UTC", LANG: "C.UTF-8" };

/** Linux's numbers of the limits that a guest gets, and its browser with it. */
const RLIMIT = { CORE: 4, NPROC: 6, NOFILE: 7, MSGQUEUE: 12 } as const;

/** Threads and processes of a browser with some hundred tabs, and open files of each process. */
const THREADS_MAX = 16_384;
const FILES_MAX = 8192;

/** Tabs that a browser has before it is replaced. */
const TABS_MAX = 5000;

/** What a browser may write: its profile, and what its processes share. In bytes. */
const TMP_BYTES = 256 * 1024 * 1024;

const DEVICES = ["zero", "full", "random", "urandom"];

/** What a browser looks for beside its libraries. */
const BROWSER_FILES = ["etc/fonts"];

interface Opened {
  readonly sandbox: Sandbox;
  readonly args: readonly string[];
  readonly binds: readonly (readonly [string, string])[];
}

/** Creates the engine; nothing is looked for before the first instance is started. */
export function createBrowserEngine(options: BrowserEngineOptions): Engine {
  let opening: Promise<Opened> | undefined;
  let layers: readonly string[] = [];
  const open = () => {
    opening ??= openSandbox(options);
    opening.catch(() => {
      opening = undefined;
    });
    return opening;
  };
  const browsers = new Browsers(async () => {
    const { sandbox, args, binds } = await open();
    const process = sandbox.start(args, false, { tmpBytes: TMP_BYTES, binds, devices: DEVICES });
    const browser = new Browser(process, options.tabsMax ?? TABS_MAX);
    layers = browser.layers;
    return browser;
  });
  return {
    name: "browser",
    get layers() {
      return layers;
    },
    async start(_purpose, launch): Promise<GuestProcess> {
      if (launch?.program.kind !== "browser")
        throw new IsopodError("start_failed", { cause: "the browser engine starts its own programs only" });
      try {
        return (await browsers.of(launch.project)).open(launch);
      } catch (cause) {
        throw cause instanceof IsopodError ? cause : new IsopodError("start_failed", { cause });
      }
    },
    async close() {
      await browsers.close();
      (await opening?.catch(() => undefined))?.sandbox.close();
    },
  };
}

async function openSandbox({ browserGuest, chromium, directory, uids }: BrowserEngineOptions): Promise<Opened> {
  const [{ program, code, page }, browser] = await Promise.all([browserGuest(), requireChromium(chromium)]);
  const { links, folders, binds } = systemRoot();
  const placed = Object.fromEntries(DEVICES.map((name) => [`dev/${name}`, ""]));
  // What is not among the machine's programs is bound beside them, by the path that it has.
  const home = dirname(browser);
  const isSystem = folders.some((folder) => home.startsWith(`/${folder}/`));
  const root = layRoot({
    ...{ directory, program, withoutLibraries: true },
    files: { ...placed, ...ETC_FILES, [PAGE]: page, ...(code !== undefined && { [GUEST]: code }) },
    folders: [...folders, ...(isSystem ? [] : [home.slice(1)]), "dev/shm"],
    links: { ...links, "dev/fd": "/proc/self/fd" },
    copies: [...systemFiles(), ...BROWSER_FILES.filter((path) => existsSync(`/${path}`))],
  });
  const sandbox = new Sandbox({
    root,
    outerFilter: outerFilter({ sockets: true, exec: true, browser: true }),
    seal: new Uint8Array(0),
    // The memory of a browser is bounded by its cgroup, and by looking.
    dataBytes: 0,
    rlimits: [
      [RLIMIT.CORE, 0],
      [RLIMIT.NPROC, THREADS_MAX],
      [RLIMIT.NOFILE, FILES_MAX],
      [RLIMIT.MSGQUEUE, 0],
    ],
    env: code === undefined ? ENVIRONMENT : { ...ENVIRONMENT, BUN_BE_BUN: "1" },
    isolation: "bubblewrap",
    uids,
    nests: true,
    pidsMax: THREADS_MAX,
  });
  const args = code === undefined ? [browser] : [`/${GUEST}`, browser];
  return { sandbox, args, binds: [...binds, ...(isSystem ? [] : [[home, home] as const])] };
}
