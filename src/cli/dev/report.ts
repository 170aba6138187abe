/** Tells what happens under `isopod dev`: for people with colours and code frames, or as JSON lines. */
import { isAbsolute, relative } from "node:path";
import { type LogItem, logLine } from "../logs/log_lines.ts";
import { frameOf } from "../terminal/code_frame.ts";
import { type Paint, paintFor, printable } from "../terminal/terminal.ts";

/** Where a mistake is. */
interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** What is served, once it is. */
export interface DevReady {
  readonly url: string;
  readonly admin: string;
  /** Where its data lies, with the token of the admin API. */
  readonly data: string;
  readonly routes: readonly string[];
  readonly ms: number;
}

/** A request that no route takes. */
export interface Unrouted {
  readonly requestId: string;
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  readonly startedAt: number;
}

/** Frames of a stack that are ours or the platform's: they tell the author of a program nothing. */
const GUEST_FRAMES = /\n\s+at [^\n]*(\/\$bunfs\/|\(node:|\bguest[^\n/]*:)[^\n]*/g;

/** One run of the command. */
export class DevReport {
  readonly #folder: string;
  readonly #json: boolean;
  readonly #paint: Paint = paintFor(process.stdout);

  constructor(folder: string, json: boolean) {
    this.#folder = folder;
    this.#json = json;
  }

  /** The server has started. */
  ready({ url, admin, data, routes, ms }: DevReady): void {
    const lines = routes.map((route) => `  ${route}\n`).join("");
    const others = `other commands: isopod schedules --url ${admin} --data ${relative(process.cwd(), data)}`;
    const hint = this.#paint("grey", `${others}\nstarted in ${Math.round(ms)} ms; Ctrl-C ends it`);
    this.#say(
      { event: "ready", url, admin, data, routes, ms },
      `${this.#paint("green", `Serving ${url}`)}\n${lines}${hint}\n`,
    );
  }

  /** What was changed is served. */
  reloaded(ms: number): void {
    this.#say({ event: "reloaded", ms }, `${this.#paint("green", "Reloaded")} in ${Math.round(ms)} ms\n`);
  }

  /** What was changed cannot be served. */
  async broken(error: unknown, servesOld: boolean): Promise<void> {
    const place = placeOf(error);
    const message = withoutRepetition(printable(error instanceof Error ? error.message : String(error)));
    const after = servesOld ? "The version before goes on being served." : "Waiting for a change.";
    const text = `${this.#paint("red", this.#short(message))}${await this.#frame(place)}\n${this.#paint("grey", after)}\n`;
    this.#say({ event: "broken", message, ...place, serves_old: servesOld }, text);
  }

  /** Something that is worth knowing. */
  note(text: string): void {
    this.#say({ event: "note", text }, `${this.#paint("yellow", text)}\n`);
  }

  /** A record of the log. */
  async record(item: LogItem): Promise<void> {
    const place = item.kind === "error" ? placeIn(item.text ?? "", this.#folder) : undefined;
    const frame = await this.#frame(place);
    const shown = item.text === undefined ? item : { ...item, text: item.text.replace(GUEST_FRAMES, "") };
    this.#say({ event: "log", record: item, ...place }, `${this.#short(logLine(shown, this.#paint))}${frame}\n`);
  }

  /** A request that no route takes. */
  unrouted({ requestId, method, path, status, startedAt }: Unrouted): void {
    const request = { method, path, status, request_id: requestId, time_ms: startedAt };
    const item = { id: 0, kind: "invocation", level: "warn", code: "no route takes it", ...request } as const;
    this.#say({ event: "unrouted", ...request }, `${logLine(item, this.#paint)}\n`);
  }

  #say(event: object, text: string): void {
    process.stdout.write(this.#json ? `${JSON.stringify(event)}\n` : text);
  }

  async #frame(place: Place | undefined): Promise<string> {
    if (place === undefined || this.#json) return "";
    return (await frameOf(place.file, place.line, place.column, this.#paint)).trimEnd();
  }

  /** Files by their names within the folder. */
  #short(text: string): string {
    return text.replaceAll(`${this.#folder}/`, "");
  }
}

/** A message that names its file once: with the place when it is known. */
function withoutRepetition(message: string): string {
  const [whole, file] = / \((\/[^()]+)\)$/.exec(message) ?? [];
  return file !== undefined && message.includes(`(${file}:`) ? message.slice(0, -(whole?.length ?? 0)) : message;
}

/** Where an error of loading is: as its details say, in the file that its message names last. */
function placeOf(error: unknown): Place | undefined {
  if (!(error instanceof Error)) return undefined;
  const inMessage = placeIn(error.message);
  if (inMessage !== undefined) return inMessage;
  const { file, line, column } = error as { file?: unknown; line?: unknown; column?: unknown };
  if (typeof file === "string" && typeof line === "number") return { file, line, column: Number(column ?? 1) };
  const { details } = (error.cause ?? {}) as { details?: { position?: { line: number; column: number } } };
  const named = /\((\/[^()]+)\)$/.exec(error.message)?.[1];
  return details?.position === undefined || named === undefined ? undefined : { file: named, ...details.position };
}

/** The first place of a text that is in a file of the folder, and in no package. */
function placeIn(text: string, folder = "/"): Place | undefined {
  for (const [, file = "", line, column] of text.matchAll(/(\/[^\s():]+):(\d{1,9}):(\d{1,9})/g)) {
    const inside = relative(folder, file);
    if (inside.startsWith("..") || isAbsolute(inside) || inside.includes("node_modules/")) continue;
    return { file, line: Number(line), column: Number(column) };
  }
  return undefined;
}
