/**
 * A middleware that is run once, as `NAME serve`, and is given a line for each hook: `{id, hook, event | response, ctx}`,
 * which it answers by `{id, ok}` or `{id, error}`, in whatever order.
 *
 * When it ends, it is started again and asked once more what it has not answered, one question at a time, so that the one
 * that it cannot bear ends nothing but itself. Whatever no correct one says ends it, and all that it was asked.
 */
import type { MiddlewareSettings } from "../../../../core/middleware.ts";
import type { Child } from "../child.ts";
import { HookError } from "./answers.ts";
import { commandOf, environmentOf, type HookHost, MIDDLEWARES_PATH } from "./commands.ts";
import { readAnswers, shown, textOf } from "./lines.ts";
import { type HookRequest, startFailure, timeout } from "./plain.ts";

const TRIES_MAX = 2;
const FORGOTTEN_MAX = 1000;

interface Question {
  readonly id: number;
  readonly request: HookRequest;
  tries: number;
  resolve(answer: unknown): void;
  reject(error: HookError): void;
}

/** A middleware that stays. */
export class Persistent {
  readonly #host: HookHost;
  readonly #middleware: MiddlewareSettings;
  #child: Child | undefined;
  #count = 0;
  /** Asked, and not answered. */
  readonly #asked = new Map<number, Question>();
  readonly #waiting: Question[] = [];
  readonly #forgotten = new Set<number>();

  constructor(host: HookHost, middleware: MiddlewareSettings) {
    this.#host = host;
    this.#middleware = middleware;
  }

  /** Asks it; what it answered, undefined when that leaves everything as it is. @throws {HookError} */
  ask(request: HookRequest): Promise<unknown> {
    const { signal, timeoutMs, isShort, hook } = request;
    return new Promise((resolve, reject) => {
      this.#count += 1;
      const question: Question = { id: this.#count, request, tries: 0, resolve, reject };
      const settle = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", gone);
      };
      const timer = setTimeout(() => {
        const hadItsTime = !isShort && this.#asked.has(question.id);
        this.#forget(question, timeout(`${this.#middleware.name} ${hook}`, request));
        // It may be stuck: what else it was asked is asked again.
        if (hadItsTime) this.#child?.signal("SIGKILL");
      }, timeoutMs);
      const gone = () => this.#forget(question, this.#failed("was not waited for"));
      question.resolve = (answer) => {
        settle();
        resolve(answer);
      };
      question.reject = (error) => {
        settle();
        reject(error);
      };
      signal.addEventListener("abort", gone);
      this.#waiting.push(question);
      this.#send();
    });
  }

  /** Sends what waits: one at a time as long as there is something that it has failed at before. */
  #send(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const isAlone = next.tries > 0 || [...this.#asked.values()].some(({ tries }) => tries > 1);
      if (isAlone && this.#asked.size > 0) return;
      this.#waiting.shift();
      try {
        this.#child ??= this.#start();
      } catch (error) {
        next.reject(startFailure(`${this.#middleware.name} serve`, error));
        continue;
      }
      next.tries += 1;
      this.#asked.set(next.id, next);
      this.#write(this.#child, next);
    }
  }

  #write(child: Child, { id, request: { hook, json, context } }: Question): void {
    const member = hook === "before" ? "event" : "response";
    try {
      child.input.write(`{"id":${id},"hook":"${hook}","${member}":${json},"ctx":${JSON.stringify(context)}}\n`);
      Promise.resolve(child.input.flush()).catch(() => {});
    } catch {
      // It has ended, which is noticed.
    }
  }

  #start(): Child {
    const env = environmentOf(this.#host, this.#middleware);
    const child = this.#host.startApart(commandOf(this.#middleware, "serve"), env, MIDDLEWARES_PATH, (line) => {
      const [only, ...others] = this.#asked.values();
      this.#host.logLine(only === undefined || others.length > 0 ? 0 : only.request.stream, line);
    });
    const take = (line: string) => {
      if (this.#child === child) this.#take(line);
    };
    const reading = readAnswers(child.output, this.#middleware.name, take).catch((error) =>
      this.#break(child, error as HookError),
    );
    child.exited.then(async (code) => {
      await Promise.race([reading, child.ended]);
      child.signal("SIGKILL");
      this.#ended(child, code);
    });
    return child;
  }

  /** What it has not answered is asked once more, and no further. */
  #ended(child: Child, code: number): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#forgotten.clear();
    const left = [...this.#asked.values()];
    this.#asked.clear();
    for (const question of left) {
      if (question.tries < TRIES_MAX) continue;
      question.reject(this.#failed(`ended with ${code} before it had answered, twice`));
    }
    this.#waiting.unshift(...left.filter(({ tries }) => tries < TRIES_MAX));
    this.#send();
  }

  /** It has said what no correct one says: nothing that it was asked can be trusted to be answered. */
  #break(child: Child, error: HookError): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#forgotten.clear();
    child.signal("SIGKILL");
    const left = [...this.#asked.values()];
    this.#asked.clear();
    if (left.length === 0) this.#host.logLine(0, error.message);
    for (const question of left) question.reject(error);
    this.#send();
  }

  #forget(question: Question, error: HookError): void {
    const at = this.#waiting.indexOf(question);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (this.#asked.delete(question.id)) this.#forgotten.add(question.id);
    question.reject(error);
    if (this.#forgotten.size > FORGOTTEN_MAX) this.#child?.signal("SIGKILL");
    this.#send();
  }

  #take(line: string): void {
    if (line.trim() === "") return;
    const answer = this.#parse(line);
    const id = answer["id"];
    const question = typeof id === "number" ? this.#asked.get(id) : undefined;
    if (question === undefined) {
      if (typeof id === "number" && this.#forgotten.delete(id)) return;
      throw this.#invalid(`answered for ${shown(id)}, which it was not asked, or has answered`);
    }
    this.#asked.delete(question.id);
    this.#settle(question, answer);
    this.#send();
  }

  #settle(question: Question, { ok, error, response, spans }: Record<string, unknown>): void {
    if (error !== undefined) return question.reject(this.#failed(`answered with an error: ${textOf(error)}`));
    const told = response === undefined && spans === undefined ? undefined : { response, spans };
    if (ok === undefined && told === undefined) {
      return question.reject(this.#invalid(`answered with neither "ok" nor "error"`));
    }
    if (told === undefined) return question.resolve(ok ?? undefined);
    const own = typeof ok === "object" && ok !== null ? ok : (JSON.parse(question.request.json) as object);
    question.resolve({ ...own, isopod: told });
  }

  #parse(line: string): Record<string, unknown> {
    try {
      const value: unknown = JSON.parse(line);
      if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
    } catch {
      // Said below.
    }
    throw this.#invalid(`wrote ${shown(line)}, which is no answer in JSON`);
  }

  #failed(why: string): HookError {
    return new HookError("middleware_failed", `${this.#middleware.name} ${why}.`);
  }

  #invalid(why: string): HookError {
    return new HookError("middleware_invalid", `${this.#middleware.name} ${why}.`);
  }
}
