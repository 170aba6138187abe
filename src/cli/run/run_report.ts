/** Tells the events of a run: output to stdout, log and failure to stderr; or all of them to stdout, as JSON lines. */
import type { StreamEvent } from "../../sdk/event_stream.ts";
import type { ServerError } from "../reaching/server_client.ts";
import { codeFrame } from "../terminal/code_frame.ts";
import { type Paint, paintFor, writeOut } from "../terminal/terminal.ts";

/** What is run, and how it is told. */
export interface RunReportOptions {
  /** The program's file as its user wrote it. */
  readonly file: string;
  readonly code: Uint8Array;
  readonly json: boolean;
}

const LEVEL_COLOURS: Readonly<Record<string, "red" | "yellow" | "grey">> = {
  error: "red",
  warn: "yellow",
  debug: "grey",
};

/** One run. */
export class RunReport {
  readonly #options: RunReportOptions;
  readonly #paint: Paint = paintFor(process.stderr);
  #failed = false;
  #ended = false;

  constructor(options: RunReportOptions) {
    this.#options = options;
  }

  /** Whether the run has come to its end, good or bad; a stream that ends before was cut. */
  get ended(): boolean {
    return this.#ended;
  }

  /** What the command ends with. */
  get exitCode(): number {
    return this.#failed ? 1 : 0;
  }

  /** Tells one event; resolves when there is room for more. */
  async event({ name, data }: StreamEvent): Promise<void> {
    const value: unknown = JSON.parse(data);
    if (name === "error") this.#failed = true;
    if (name === "error" || name === "end") this.#ended = true;
    if (name === "result" && (value as { readonly status: number }).status >= 400) this.#failed = true;
    if (this.#options.json) return writeOut(`{"event":${JSON.stringify(name)},"data":${data}}\n`);
    if (name === "output") return writeOut(outputOf(value));
    if (name === "log") this.#tell(this.#logLine(value as { readonly level: string; readonly text: string }));
    if (name === "error") this.#tell(this.#failure(value as ServerError));
    if (name === "result" && this.#failed)
      this.#tell(`isopod: the program answered ${(value as { readonly status: number }).status}`);
  }

  #tell(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  #logLine({ level, text }: { readonly level: string; readonly text: string }): string {
    const colour = LEVEL_COLOURS[level];
    return colour === undefined ? text : this.#paint(colour, text);
  }

  #failure({ code, message, line, column, limit, request_id }: ServerError): string {
    const { file } = this.#options;
    const place = line === undefined || column === undefined ? "" : `${file}:${line}:${column}: `;
    const frame = line === undefined || column === undefined ? "" : codeFrame(this.#code(), line, column, this.#paint);
    const facts = [code, limit && `${limit.name} = ${limit.value}`, request_id && `request ${request_id}`].filter(
      Boolean,
    );
    const head = `${place}${this.#paint("red", message)} ${this.#paint("grey", `(${facts.join(", ")})`)}`;
    return frame === "" ? head : `${head}\n\n${frame}\n`;
  }

  #code(): string {
    return new TextDecoder().decode(this.#options.code);
  }
}

/** The bytes of an output event: text, or base64 where they are no UTF-8. */
function outputOf(value: unknown): string | Uint8Array {
  if (typeof value === "string") return value;
  const { base64 } = value as { readonly base64: string };
  return Buffer.from(base64, "base64");
}
