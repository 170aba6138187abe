/**
 * Clients that hang up: `bun hangups.ts` reads `HangupOptions` and prints `HangupFigures`, both as JSON.
 *
 * Each request goes over a connection of its own and is given up at a random point: in its head, in its body, while it
 * runs, or in the middle of the answer; by a reset or by an orderly close. A seed makes a run repeatable, as far as
 * the network is.
 */

/** Where clients hang up. */
export const CUTS = ["head", "body", "running", "answer"] as const;
type Cut = (typeof CUTS)[number];

/** What is to be done. */
export interface HangupOptions {
  readonly port: number;
  readonly count: number;
  /** Clients at a time. */
  readonly connections: number;
  readonly seed: number;
  readonly requests: readonly HangupRequest[];
}

/** A request that may be cut. */
export interface HangupRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
}

/** What was done: requests by the point at which they were cut, and those whose answer was whole before. */
export interface HangupFigures {
  readonly cuts: Readonly<Record<Cut, number>>;
  readonly whole: number;
  /** Connections that could not be made. */
  readonly refused: number;
}

/** A request that runs this long at most before its client goes, in milliseconds. */
const PATIENCE_MS = 30;
/** An answer that has not begun by then never will: its client goes all the same. */
const ANSWER_MS_MAX = 150;

/** Runs the clients in a process of their own. @throws {Error} when that fails */
export async function runHangups(options: HangupOptions): Promise<HangupFigures> {
  const client = Bun.spawn([process.execPath, import.meta.path], {
    stdin: Buffer.from(JSON.stringify(options)),
    stdout: "pipe",
    stderr: "inherit",
  });
  const [text, code] = await Promise.all([client.stdout.text(), client.exited]);
  if (code !== 0) throw new Error(`Cannot send requests to hang up on: the clients ended with ${code}`);
  return JSON.parse(text) as HangupFigures;
}

/** Numbers from 0 to 1, always the same for a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What one client will do. */
interface Plan {
  readonly cut: Cut;
  readonly reset: boolean;
  readonly bytes: Uint8Array;
  readonly waitMs: number;
}

function planOf({ port, requests }: HangupOptions, random: () => number): Plan {
  const request = requests[Math.floor(random() * requests.length)] as HangupRequest;
  const choices = CUTS.filter((cut) => cut !== "body" || request.body !== undefined);
  const cut = choices[Math.floor(random() * choices.length)] as Cut;
  const body = request.body ?? "";
  const length = request.body === undefined ? "" : `Content-Length: ${body.length}\r\n`;
  const head = `${request.method} ${request.path} HTTP/1.1\r\nHost: localhost:${port}\r\n${length}\r\n`;
  const ends = {
    head: 1 + Math.floor(random() * (head.length - 1)),
    body: head.length + Math.floor(random() * body.length),
    running: head.length + body.length,
    answer: head.length + body.length,
  };
  const bytes = Buffer.from((head + body).slice(0, ends[cut]));
  return { cut, reset: random() < 0.5, bytes, waitMs: cut === "answer" ? ANSWER_MS_MAX : random() * PATIENCE_MS };
}

/** Sends a request as planned and hangs up; resolves with whether its answer came to an end before. */
function hangUp(
  port: number,
  { cut, reset, bytes, waitMs }: Plan,
  random: () => number,
): Promise<"cut" | "whole" | "refused"> {
  return new Promise((resolve) => {
    let timer: Timer | undefined;
    let text = "";
    const finish = (how: "cut" | "whole" | "refused", socket?: Bun.Socket) => {
      clearTimeout(timer);
      if (reset) socket?.terminate();
      else socket?.end();
      resolve(how);
    };
    const answerBytes = 1 + Math.floor(random() * 4000);
    Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open(socket) {
          socket.write(bytes);
          timer = setTimeout(() => finish("cut", socket), waitMs);
        },
        data(socket, chunk) {
          text += chunk.toString("latin1");
          if (isWhole(text)) finish("whole", socket);
          else if (cut === "answer" && text.length >= Math.min(answerBytes, 300)) finish("cut", socket);
        },
        close: () => finish("cut"),
        error: () => finish("refused"),
        connectError: () => finish("refused"),
      },
    }).catch(() => finish("refused"));
  });
}

function isWhole(text: string): boolean {
  const headEnd = text.indexOf("\r\n\r\n");
  if (headEnd < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, headEnd))?.[1];
  return length === undefined ? text.endsWith("\r\n0\r\n\r\n") : text.length >= headEnd + 4 + Number(length);
}

async function main(options: HangupOptions): Promise<HangupFigures> {
  const random = randomFrom(options.seed);
  const cuts = { head: 0, body: 0, running: 0, answer: 0 };
  const others = { whole: 0, refused: 0 };
  let left = options.count;
  const client = async () => {
    while (left > 0) {
      left -= 1;
      const plan = planOf(options, random);
      const how = await hangUp(options.port, plan, random);
      if (how === "cut") cuts[plan.cut] += 1;
      else others[how] += 1;
    }
  };
  await Promise.all(Array.from({ length: options.connections }, client));
  return { cuts, ...others };
}

if (import.meta.main) process.stdout.write(JSON.stringify(await main((await Bun.stdin.json()) as HangupOptions)));
