/**
 * Changes of objects on the store: those of one key take turns, so that what each one counts is what it has changed.
 *
 * Conditions are asked of the object in its turn. What is put under one replaces the very object that was asked, or the
 * store refuses it, which decides where another server writes to the same bucket; then the new object is asked.
 */
import { IsopodError } from "../../../core/errors.ts";
import { type BlobObject, type Conditions, holds } from "../object.ts";
import type { S3Client } from "./client.ts";
import { objectOf } from "./headers.ts";
import { Turns } from "./turns.ts";
import { type Count, countOf, type Usage } from "./usage.ts";

/** Which object: its project, its name below the server's prefix, its key. */
export interface ObjectOf {
  readonly project: string;
  readonly name: string;
  readonly key: string;
}

/** How an object is put. */
export interface Replacing {
  readonly conditions: Conditions;
  /** Of the object, when they are to be counted before. */
  readonly bytes: number | undefined;
  /** Puts it, under the headers' condition; false where the store says that it does not hold. */
  step(condition: Readonly<Record<string, string>>): Promise<boolean>;
}

/** As often an object that others change meanwhile is asked anew. */
const TRIES_MAX = 20;

/** The changes. */
export class S3Changes {
  readonly #client: S3Client;
  readonly #usage: Usage;
  readonly #turns = new Turns();

  constructor(client: S3Client, usage: Usage) {
    this.#client = client;
    this.#usage = usage;
  }

  /** What the store has. */
  async head({ name, key }: Pick<ObjectOf, "name" | "key">): Promise<BlobObject | undefined> {
    const answer = await this.#client.send({ method: "HEAD", key: name }, [200, 404]);
    return answer.status === 404 ? undefined : objectOf(key, answer);
  }

  /** Has an object put in its turn, and counts it; undefined where a condition does not hold. @throws {IsopodError} */
  replace(of: ObjectOf, { conditions, bytes, step }: Replacing): Promise<BlobObject | undefined> {
    return this.#turns.take(of.name, async () => {
      const count = await this.#usage.of(of.project);
      const isConditional = Object.values(conditions).some((value) => value !== undefined);
      for (let tries = 0; tries < TRIES_MAX; tries += 1) {
        const before = await this.head(of);
        if (!holds(conditions, before)) return undefined;
        const condition = isConditional ? conditionOf(before) : {};
        const made = await this.#replaced(of, before, { count, bytes, step: () => step(condition) });
        if (made !== undefined) return made;
      }
      throw new IsopodError("binding_failed", { message: "Cannot put: the object is changed by others all the time" });
    });
  }

  /** Takes the place of `before`; undefined where that is not there any more. */
  async #replaced(
    of: ObjectOf,
    before: BlobObject | undefined,
    { count, bytes, step }: { count: Count; bytes: number | undefined; step(): Promise<boolean> },
  ): Promise<BlobObject | undefined> {
    const kept = before === undefined ? 0 : countOf(of.name, before.size);
    const ahead = bytes === undefined ? 0 : Math.max(0, countOf(of.name, bytes) - kept);
    count.grow(ahead);
    let made: BlobObject | undefined;
    let isDone = false;
    try {
      isDone = await step();
    } finally {
      // Whatever the store has answered, what is there now is what counts; where it does not say, what was counted stays.
      const found = await this.head(of).then(
        (object) => ({ object }),
        () => undefined,
      );
      made = found?.object;
      if (found !== undefined) count.add((made === undefined ? 0 : countOf(of.name, made.size)) - kept - ahead);
    }
    if (!isDone) return undefined;
    if (made !== undefined) return made;
    throw new IsopodError("binding_failed", { message: "Cannot put: the store does not say what it has put" });
  }

  /** Removes an object, if it is there. @throws {IsopodError} */
  remove(of: ObjectOf): Promise<void> {
    return this.#turns.take(of.name, async () => {
      const count = await this.#usage.of(of.project);
      const before = await this.head(of);
      if (before === undefined) return;
      await this.#client.send({ method: "DELETE", key: of.name }, [204, 200]);
      count.add(-countOf(of.name, before.size));
    });
  }
}

/** What S3 holds a put against, so that it takes the place of this object and of no other. */
function conditionOf(before: BlobObject | undefined): Record<string, string> {
  return before === undefined ? { "if-none-match": "*" } : { "if-match": `"${before.etag}"` };
}
