/** What a run may be given beside its function and arguments, and the request that this makes. */

/** Limits of one run, with the keys and units of a configuration; the caller's plan stands above them. */
export interface RunLimits {
  readonly wall_ms?: number;
  readonly cpu_ms?: number;
  readonly memory_mb?: number;
  readonly body_mb?: number;
  readonly response_mb?: number;
  readonly log_kb?: number;
  readonly subrequests?: number;
  readonly subrequest_mb?: number;
}

/** A line that the function wrote to its console. */
export interface RunLogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly text: string;
}

/** Options of one run. */
export interface RunOptions {
  /** Variables, which the function finds in `env`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly limits?: RunLimits;
  /** Ends the run, also on the server. */
  readonly signal?: AbortSignal;
  /** The body of the request that the function finds in `request`. */
  readonly input?: string | Uint8Array<ArrayBuffer> | Blob;
  /** Is given what the function writes to its console; nobody is when left out. */
  readonly log?: (line: RunLogLine) => void;
  /** The most that a value may take as JSON, in bytes; 64 MiB when left out. Streams have no such bound. */
  readonly resultBytesMax?: number;
}

/** The program of a run: its text, or where the server has it. */
export type ProgramFields =
  | { readonly code: string; readonly language: "javascript" | "typescript" }
  | { readonly hash: string }
  | { readonly url: string };

/** The request by which a server runs a program. */
export function runRequest(
  program: ProgramFields,
  args: unknown,
  options: RunOptions,
  key: string | undefined,
): RequestInit {
  const { env, limits, input, signal } = options;
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (key !== undefined) headers.authorization = `Bearer ${key}`;
  const fields = { ...program, args, env, limits };
  // Bun ends what is silent for five minutes unless it is told not to; others do not know the word.
  const init = { method: "POST", redirect: "error", timeout: false, ...(signal && { signal }) } as const;
  if (input === undefined) {
    return { ...init, headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(fields) };
  }
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    form.append(name, typeof value === "string" && name !== "args" ? value : JSON.stringify(value));
  }
  form.append("input", input instanceof Uint8Array ? new Blob([input]) : input);
  return { ...init, headers, body: form };
}
