/**
 * Whether a program of the `http` dialect is ready: it accepts a connection, or the path that was named for it answers.
 *
 * Who starts a program at the wrong port hears of nothing but a limit; so what is missing is said once, long before that.
 */
import { fetchAt, type HttpPlace, placeName } from "./http_place.ts";

/** How often a program that starts is asked whether it is ready, in milliseconds. */
const ASK_MS = 10;

/** A connection that was only a question has this long to be closed from the other side, in milliseconds. */
const ASK_CLOSE_MS = 1000;

/** A program that is not ready by then is said not to be, in milliseconds. */
const LATE_MS = 2000;

/** How a program is asked. */
export interface ReadinessParts {
  readonly place: HttpPlace;
  /** The path that answers below 500 once it is ready; a connection is enough when left out. */
  readonly readyPath: string | undefined;
  /** Takes what keeps it from being ready, at most once. */
  note(line: string): void;
}

/** Resolves once the program is ready. */
export async function awaitReady({ place, readyPath, note }: ReadinessParts): Promise<void> {
  let isReady = false;
  let status: number | undefined;
  const timer = setTimeout(async () => {
    const obstacle = (await accepts(place)) ? answerFault(readyPath, status) : connectionFault(place);
    if (!isReady && obstacle !== undefined) note(obstacle);
  }, LATE_MS);
  for (;;) {
    if (readyPath !== undefined) status = await statusOf(place, readyPath);
    if (readyPath === undefined ? await accepts(place) : status !== undefined && status < 500) break;
    await new Promise((resolve) => setTimeout(resolve, ASK_MS));
  }
  isReady = true;
  clearTimeout(timer);
}

function connectionFault(place: HttpPlace): string {
  return `The program does not accept connections at ${placeName(place)}, which PORT names`;
}

function answerFault(path: string | undefined, status: number | undefined): string | undefined {
  if (path === undefined) return undefined;
  const answer = status === undefined ? "has no answer" : `answers ${status}`;
  return `The program is not ready: GET ${path} ${answer}; expected a status below 500`;
}

async function accepts(place: HttpPlace): Promise<boolean> {
  // Closed in order, and not reset: servers write a reset to their logs. One that keeps its half open is cut off.
  const socket = {
    open(opened: Bun.Socket) {
      opened.end();
      setTimeout(() => opened.terminate(), ASK_CLOSE_MS);
    },
    data() {},
    error() {},
  };
  try {
    if ("unix" in place) await Bun.connect({ unix: place.unix, socket });
    else await Bun.connect({ hostname: "127.0.0.1", port: place.port, socket });
    return true;
  } catch {
    return false;
  }
}

/** What it answers; undefined when that cannot be read, or takes too long. */
async function statusOf(place: HttpPlace, path: string): Promise<number | undefined> {
  try {
    const { url, init } = fetchAt(place, path);
    const answer = await fetch(url, { ...init, redirect: "manual", signal: AbortSignal.timeout(5000) });
    await answer.arrayBuffer();
    return answer.status;
  } catch {
    return undefined;
  }
}
