/**
 * Bundles a program in a sandbox: foreign code is parsed here and nowhere else, and never run as what it is.
 *
 * Every import is a call of the host's `module` binding, which decides what may be read. This guest is not sealed,
 * since Bun's bundler opens folders; it has no network, no files but its own, and nothing to execute.
 */
import type { GuestPort } from "../../../core/guest.ts";
import type { LoadParcel } from "../../../wire/parcels.ts";
import type { StreamEvents, WireStream } from "../../../wire/stream.ts";
import type { Channel } from "../../guest/channel.ts";
import { Invocation } from "../../guest/invocations.ts";
import { describeFailure } from "./program.ts";
import type { ProgramRunner } from "./runner.ts";

interface Found {
  readonly code: string;
  readonly kind: string;
}

const ENTRY = "entry";

/** The runner of one build. */
export class BuildHost implements ProgramRunner {
  readonly #channel: Channel;
  readonly #port: GuestPort;
  readonly #load: LoadParcel;
  readonly #code: string;
  readonly #found = new Map<string, Found>();
  #invocation: Invocation | undefined;

  constructor(channel: Channel, port: GuestPort, load: LoadParcel, code: Uint8Array) {
    this.#channel = channel;
    this.#port = port;
    this.#load = load;
    this.#code = new TextDecoder().decode(code);
  }

  currentInvocation(): number {
    return this.#invocation?.stream.id ?? 0;
  }

  readonly ready = true;

  start(): void {
    this.#channel.resume();
  }

  busy(): void {}

  open(stream: WireStream, head: Uint8Array): StreamEvents | undefined {
    const invocation = new Invocation(stream, head, {
      workFinished: () => {},
      fn: undefined,
      describe: describeFailure,
    });
    this.#invocation = invocation;
    queueMicrotask(() => invocation.run(() => this.#build(), {}));
    return invocation;
  }

  async #build(): Promise<{ code: string; map: string }> {
    const { isBuiltin } = await import("node:module");
    const isPlatform = (specifier: string) =>
      specifier === "bun" || specifier.startsWith("bun:") || isBuiltin(specifier);
    const { name, language, target = "bun" } = this.#load;
    this.#found.set(name, { code: this.#code, kind: language === "javascript" ? "jsx" : "tsx" });
    const output = await Bun.build({
      entrypoints: [ENTRY],
      target,
      ...(target === "browser" && { define: { "process.env.NODE_ENV": '"production"' } }),
      sourcemap: "external",
      plugins: [
        {
          name: "host",
          setup: (build) => {
            build.onResolve({ filter: /.*/ }, async ({ path, importer }) => {
              if (path === ENTRY && importer === "") return { path: name, namespace: "host" };
              if (isPlatform(path) && target === "bun") return { path, external: true };
              return { path: await this.#find(path, importer), namespace: "host" };
            });
            build.onLoad({ filter: /.*/, namespace: "host" }, ({ path }) => {
              const { code, kind } = this.#found.get(path) as Found;
              if (kind === "wasm") return { contents: wasmModule(path, code), loader: "js" };
              return { contents: code, loader: kind as "ts" };
            });
          },
        },
      ],
    });
    const texts = { code: "", map: "" };
    for (const artifact of output.outputs) {
      const text = await artifact.text();
      if (artifact.kind !== "sourcemap") texts.code = text;
      else texts.map = withoutContents(text);
    }
    return texts;
  }

  /** Asks the host for a module; returns what it is known by. */
  async #find(specifier: string, importer: string): Promise<string> {
    const answer = await this.#port.call("module", {
      method: "GET",
      url: specifier,
      headers: [["importer", encodeURIComponent(importer)]],
      body: null,
      redirect: "follow",
      signal: undefined,
    });
    const kind = answer.headers.find(([name]) => name === "kind")?.[1] ?? "text";
    const code = await new Response(answer.body).text();
    if (!this.#found.has(answer.url)) this.#found.set(answer.url, { code, kind });
    return answer.url;
  }
}

/** The source of what exports a compiled module. @throws {TypeError} when it is none */
function wasmModule(path: string, base64: string): string {
  const bytes = Uint8Array.fromBase64(base64);
  if (bytes[4] === 0x0d) throw new TypeError(`${path} is a component, and scripts import modules of WebAssembly`);
  try {
    new WebAssembly.Module(bytes);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/ \(evaluating '.*'\)$/s, "") : String(error);
    throw new TypeError(`${path} is no valid module of WebAssembly: ${why}`);
  }
  return `export default new WebAssembly.Module(Uint8Array.fromBase64("${base64}"));`;
}

/** A source map without the sources, which are most of it and nobody reads. */
function withoutContents(map: string): string {
  const { sources, mappings } = JSON.parse(map) as { sources: string[]; mappings: string };
  return JSON.stringify({ version: 3, sources, names: [], mappings });
}
