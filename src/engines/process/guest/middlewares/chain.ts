/**
 * The hooks of one side, one after the other: each is given what the one before it said. Before a function they run in the
 * order in which they are named, after it the other way round unless it is said that they keep it.
 */

import type { EventForm } from "../../../../core/event_form.ts";
import type { Hook, HookSettings, MiddlewareSettings, Span } from "../../../../core/middleware.ts";
import { SPANS_MAX } from "../../../../wire/hooks.ts";
import { type HookAnswer, readAnswer } from "./answers.ts";

/** Runs one hook: JSON to what the middleware answered, read; undefined when it leaves everything as it is. */
export type RunHook = (middleware: MiddlewareSettings, hook: Hook, json: string) => Promise<unknown>;

/** What came of the hooks before a function. */
export type BeforeResult =
  | { readonly kind: "event"; readonly value: unknown }
  | { readonly kind: "response"; readonly value: unknown };

/** The hooks of a request on one side. */
export class Chain {
  readonly #settings: HookSettings;
  readonly #form: EventForm;
  readonly #run: RunHook;
  readonly #startedAt = performance.now();
  readonly spans: Span[] = [];
  #isAnswer = false;

  constructor(settings: HookSettings, form: EventForm, run: RunHook) {
    this.#settings = settings;
    this.#form = form;
    this.#run = run;
  }

  /** Runs the hooks before it; after an answer in its place, those after it of the middlewares that had been asked. */
  async before(event: unknown): Promise<BeforeResult> {
    const { list } = this.#settings;
    let value = event;
    for (const [at, middleware] of list.entries()) {
      const answer = await this.#ask(middleware, "before", value);
      if (answer?.response !== undefined) {
        return { kind: "response", value: await this.after(answer.response.value, list.slice(0, at)) };
      }
      if (answer !== undefined) value = answer.value;
    }
    return { kind: "event", value };
  }

  /** Whether a hook after the function has said that what it gives is an answer, with status and headers. */
  get isAnswer(): boolean {
    return this.#isAnswer;
  }

  /** Runs the hooks after it, those of `list` alone. */
  async after(response: unknown, list = this.#settings.list): Promise<unknown> {
    const ordered = this.#settings.order === "same" ? list : list.toReversed();
    let value = response;
    for (const middleware of ordered) {
      const answer = await this.#ask(middleware, "after", value);
      if (answer === undefined) continue;
      if (answer.response !== undefined) this.#isAnswer = true;
      value = (answer.response ?? answer).value;
    }
    return value;
  }

  async #ask(middleware: MiddlewareSettings, hook: Hook, value: unknown): Promise<HookAnswer | undefined> {
    if (!middleware.hooks.includes(hook)) return undefined;
    const { name } = middleware;
    const startMs = performance.now() - this.#startedAt;
    try {
      const said = await this.#run(middleware, hook, JSON.stringify(value) ?? "null");
      if (said === undefined) return undefined;
      const answer = readAnswer(said, name, hook, this.#form, startMs);
      this.spans.push(...answer.spans.slice(0, SPANS_MAX - this.spans.length));
      return answer;
    } finally {
      const durationMs = performance.now() - this.#startedAt - startMs;
      if (this.spans.length < SPANS_MAX)
        this.spans.push({ name: `${name}.${hook}`, middleware: name, startMs, durationMs });
    }
  }
}
