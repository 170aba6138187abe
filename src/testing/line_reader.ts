/** Reads the output of a process line by line, as it comes. */

/** What a process writes. */
export class LineReader {
  readonly #lines: AsyncGenerator<string>;

  constructor(output: ReadableStream<Uint8Array>) {
    this.#lines = linesOf(output);
  }

  /** The next `count` lines; fewer where it ends before. */
  async next(count: number): Promise<string[]> {
    const lines: string[] = [];
    while (lines.length < count) {
      const { value, done } = await this.#lines.next();
      if (done) break;
      lines.push(value);
    }
    return lines;
  }

  /** Lines up to the first that `matches`. @throws when there is none */
  async until(matches: (line: string) => boolean): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const [line] = await this.next(1);
      if (line === undefined) throw new Error(`Cannot find the line: the output was ${JSON.stringify(lines)}`);
      lines.push(line);
      if (matches(line)) return lines;
    }
  }
}

async function* linesOf(output: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of output) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}
