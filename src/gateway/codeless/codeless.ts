/**
 * The codeless endpoint: from a request that carries or names a program to that program, under the caller's plan.
 *
 * It decides who may run what, finds the code, holds it to its integrity, and has it made self-contained. It never
 * parses code: that happens in a sandbox.
 */

import { grantsOf } from "../../core/binding_kinds.ts";
import type { BrowserProgram } from "../../core/browser_program.ts";
import { IsopodError } from "../../core/errors.ts";
import {
  DEFAULT_PROJECT,
  type Language,
  type Program,
  type ProgramBuilder,
  type ProgramSource,
} from "../../core/function.ts";
import { type Body, type HeaderList, type Invoker, NO_PARAMS } from "../../core/invocation.ts";
import { combineLimits } from "../../core/limits.ts";
import { checkAbi, isWasm, type WasmPreparer, type WasmProgram } from "../../core/wasm_program.ts";
import { hashOf } from "../../stdx/hash.ts";
import type { Sender } from "../admission.ts";
import { answerCachedProgram } from "../cache/cached_program.ts";
import type { ResponseCache } from "../cache/response_cache.ts";
import { askerOf, type Caller } from "../callers.ts";
import type { ExchangeRecord } from "../exchange_record.ts";
import type { Sources } from "../sources/sources.ts";
import { completeRequest, passedHeaders, type Work } from "../work.ts";
import type { Pins } from "./pins.ts";
import { prepareWithin } from "./preparation.ts";
import { type CodelessHead, type CodelessRequest, parseCodelessRequest } from "./request.ts";

/** What the endpoint is made of. */
export interface CodelessParts {
  readonly invoker: Invoker;
  readonly sources: Sources;
  readonly pins: Pins;
  readonly builder: ProgramBuilder;
  readonly components: WasmPreparer;
  readonly codeBytesMax: number;
  /** Of answers; undefined where nothing is cached. */
  readonly cache: ResponseCache | undefined;
  /** Keeps what was run, so that it can be promoted. */
  ran(program: { readonly hash: string; readonly code: string; readonly language: Language }): void;
}

/** The endpoint. */
export class Codeless {
  readonly #parts: CodelessParts;

  constructor(parts: CodelessParts) {
    this.#parts = parts;
  }

  /** Understands a request. @throws {IsopodError} for everything that a caller can get wrong */
  async prepare(request: CodelessHead, path: string, caller: Caller, record: ExchangeRecord): Promise<Work> {
    const { plan } = caller;
    if (plan.run === "none") throw new IsopodError("run_not_allowed");
    const { bodyBytesMax } = plan.programLimits;
    const parsed = await parseCodelessRequest(request, { path, codeBytesMax: this.#parts.codeBytesMax, bodyBytesMax });
    const limits = combineLimits(plan.programLimits, parsed.limits);
    return {
      events: parsed.events,
      silenceMs: limits.wallMs,
      webSocket: false,
      invoke: async (sender, observer) => {
        const prepare = (signal: AbortSignal) => this.#program(parsed, caller, record, signal);
        const program = await prepareWithin(limits, sender.signal, prepare);
        const parts = {
          method: request.method,
          url: parsed.programUrl,
          headers: programHeaders(request, parsed, record.remoteAddress),
          params: NO_PARAMS,
          argsJson: parsed.argsJson,
          partial: parsed.events,
        };
        const egress = { allow: plan.egress, secrets: [] };
        const project = caller.known?.project ?? DEFAULT_PROJECT;
        const bindings = grantsOf(project, plan.bindings);
        const target = {
          kind: "program",
          project,
          plan: plan.name,
          program,
          env: parsed.env,
          egress,
          bindings,
          limits,
          middlewares: plan.middlewares,
        } as const;
        const invoke = (body: Body, more: HeaderList, until: Sender) => {
          const asked = { ...parts, headers: [...parts.headers, ...more], body };
          return this.#parts.invoker.invoke(target, completeRequest(asked, record, until, observer));
        };
        const { cache } = this.#parts;
        if (cache === undefined || parsed.events) return invoke(parsed.input, [], sender);
        const { argsJson, env, inputType, input, programUrl: url } = parsed;
        return answerCachedProgram(cache, {
          ...{ project, plan: plan.name, program, url, input, headers: request.headers },
          ...{
            given: [request.method, argsJson, env, inputType, parsed.limits, plan.middlewares?.hash],
            sender,
            invoke,
          },
          within: (read) => prepareWithin(limits, sender.signal, read),
        });
      },
    };
  }

  async #program(
    parsed: CodelessRequest,
    caller: Caller,
    record: ExchangeRecord,
    signal: AbortSignal,
  ): Promise<Program | WasmProgram | BrowserProgram> {
    const { plan } = caller;
    const source = await this.#find(parsed, signal);
    record.programHash = source.hash;
    if (parsed.integrity !== undefined && parsed.integrity !== source.hash) {
      throw new IsopodError("integrity_mismatch", {
        message: `Cannot run the program: its hash is ${source.hash}, and ${parsed.integrity} was asked for`,
      });
    }
    if (plan.run === "pinned" && !this.#parts.pins.has(source.hash)) {
      throw new IsopodError("not_pinned", { message: `Cannot run the program ${source.hash}: it is not pinned` });
    }
    if ("bytes" in source) {
      if (parsed.engine === undefined) {
        return this.#parts.components.prepare(withAbi(source, parsed.abi), signal, askerOf(caller));
      }
      throw new IsopodError("bad_request", {
        message: "Cannot run the program in a browser: it is a WebAssembly module.",
      });
    }
    if (parsed.abi !== undefined) throw new IsopodError("bad_request", { message: NO_MODULE });
    this.#parts.ran(source);
    if (parsed.engine === undefined) return this.#parts.builder.build(source, signal);
    return inPage(await this.#parts.builder.build({ ...source, target: parsed.engine }, signal));
  }

  async #find({ source, integrity }: CodelessRequest, signal: AbortSignal): Promise<ProgramSource | WasmProgram> {
    switch (source.kind) {
      case "code": {
        const { code, language } = source;
        return { name: language === "javascript" ? "program.js" : "program.ts", code, language, hash: hashOf(code) };
      }
      case "module": {
        const { bytes } = source;
        return { kind: "wasm", name: "program.wasm", bytes, hash: hashOf(bytes) };
      }
      case "hash": {
        const pinned = await this.#parts.pins.get(source.hash);
        if (pinned === undefined)
          throw new IsopodError("not_found", { message: `No program ${source.hash} is pinned` });
        const { code, language, hash } = pinned;
        return { name: language === "javascript" ? "program.js" : "program.ts", code, language, hash };
      }
      case "url": {
        const { url, bytes, hash, language } = await this.#parts.sources.fetch(source.url, { integrity, signal });
        const name = url.slice(url.lastIndexOf("/") + 1).replace(/[?#].*$/, "") || "program.ts";
        if (isWasm(bytes)) return { kind: "wasm", name, bytes, hash };
        return { name, code: new TextDecoder().decode(bytes), language, hash, url };
      }
    }
  }
}

/** @throws {IsopodError} when a component is to be a module, or the other way round */
function withAbi(program: WasmProgram, abi: CodelessRequest["abi"]): WasmProgram {
  checkAbi(program.name, program.bytes, abi);
  return abi === undefined ? program : { ...program, settings: { abi } };
}

const NO_MODULE = "Cannot run the program by Isopod-Abi: it is no module of WebAssembly.";

/** Programs as pages run them: the same one for the same bundle, so that what is known of it is found again. */
const pages = new WeakMap<Program, BrowserProgram>();

function inPage(program: Program): BrowserProgram {
  const { name, hash, code, sourceMap } = program;
  const page = pages.get(program) ?? { kind: "browser", name, hash, code, sourceMap, files: [] };
  pages.set(program, page);
  return page;
}

/** The caller's headers without what was meant for the endpoint; the input's type instead of the program's. */
function programHeaders(request: CodelessHead, parsed: CodelessRequest, remoteAddress: string): [string, string][] {
  const { kind } = parsed.source;
  const named = kind !== "code" && kind !== "module" && parsed.inputType === undefined;
  const kept = passedHeaders(request.headers, remoteAddress, true).filter(([name]) => {
    return !name.startsWith("isopod-") && (named || (name !== "content-type" && name !== "content-length"));
  });
  return parsed.inputType === undefined ? kept : [...kept, ["content-type", parsed.inputType]];
}
