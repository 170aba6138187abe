/**
 * Changes of objects on the store: those of one key take turns, so that what each one counts is what it has changed.
 *
 * Conditions are asked of the object in its turn, and handed to the store as far as S3 has them, which decides where another
 * server writes to the same bucket.
 */
import { IsopodError } from "../../../core/errors.ts";
import { type BlobObject, type Conditions, holds } from "../object.ts";
import type { S3Client } from "./client.ts";
import { objectOf } from "./headers.ts";
import { Turns } from "./turns.ts";
import { countOf, type Usage } from "./usage.ts";

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
  /** Puts it; false where the store says that a condition does not hold. */
  step(): Promise<boolean>;
}

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
      const before = await this.head(of);
      if (!holds(conditions, before)) return undefined;
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
    });
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
