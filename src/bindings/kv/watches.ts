/**
 * Who follows the changes of a project's namespaces: told after they are on the disk.
 *
 * A follower that does not read keeps one change for each key, the last one, and no more than `CHANGES_MAX`; beyond
 * that it is told to read everything anew. So the last change of a key is never missed, and nothing grows.
 */
import { IsopodError } from "../../core/errors.ts";
import { KV_LIMITS } from "./limits.ts";

const CHANGES_MAX = 1024;

/** A change as it is told; `reset` stands for all that were missed. */
export type Change =
  | { readonly type: "put"; readonly key: string; readonly revision: number }
  | { readonly type: "delete"; readonly key: string }
  | { readonly type: "reset" };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** One who follows: what it has not read yet, and its stream. */
class Follower {
  readonly namespace: string;
  readonly wants: (key: string) => boolean;
  readonly stream: ReadableStream<Uint8Array>;
  readonly #waiting = new Map<string, Change>();
  #missed = false;
  #wake: (() => void) | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(namespace: string, wants: (key: string) => boolean, cancelled: () => void) {
    this.namespace = namespace;
    this.wants = wants;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#pull(),
        cancel: cancelled,
      },
      { highWaterMark: 0 },
    );
  }

  tell(key: string, change: Change): void {
    // Who is told to read everything anew sees this change then.
    if (this.#missed) return;
    this.#waiting.delete(key);
    this.#waiting.set(key, change);
    if (this.#waiting.size > CHANGES_MAX) {
      this.#waiting.clear();
      this.#missed = true;
    }
    this.#wake?.();
  }

  end(error: IsopodError): void {
    this.#controller?.error(error);
    this.#controller = undefined;
    this.#wake?.();
  }

  async #pull(): Promise<void> {
    while (this.#controller !== undefined && this.#waiting.size === 0 && !this.#missed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const changes: Change[] = this.#missed ? [{ type: "reset" }] : [...this.#waiting.values()];
    this.#missed = false;
    this.#waiting.clear();
    this.#controller?.enqueue(encoder.encode(changes.map((change) => `${JSON.stringify(change)}\n`).join("")));
  }
}

/** The followers of one project. */
export class Watches {
  readonly #followers = new Set<Follower>();

  /** How many there are. */
  get count(): number {
    return this.#followers.size;
  }

  /** Tells of a change; a revision of 0 is a deletion. */
  changed(namespace: string, keyBytes: Uint8Array, revision: number): void {
    if (this.#followers.size === 0) return;
    const key = decoder.decode(keyBytes);
    const change: Change = revision === 0 ? { type: "delete", key } : { type: "put", key, revision };
    for (const follower of this.#followers) {
      if (follower.namespace === namespace && follower.wants(key)) follower.tell(key, change);
    }
  }

  /**
   * The changes from now on of the keys that are wanted, a line of JSON each.
   * @throws {IsopodError} `quota_exceeded` when the project has as many watches as it may
   */
  follow(namespace: string, wants: (key: string) => boolean, signal: AbortSignal): ReadableStream<Uint8Array> {
    const { watchesMax } = KV_LIMITS;
    if (this.#followers.size >= watchesMax) {
      const message = `Cannot watch: the project has ${watchesMax} watches already`;
      throw new IsopodError("quota_exceeded", { message, limit: { name: "watchesMax", value: watchesMax } });
    }
    const forget = () => {
      this.#followers.delete(follower);
      signal.removeEventListener("abort", abort);
    };
    const follower = new Follower(namespace, wants, forget);
    const abort = () => {
      forget();
      follower.end(new IsopodError("binding_failed", { message: "Cannot watch: the call was ended" }));
    };
    this.#followers.add(follower);
    signal.addEventListener("abort", abort);
    return follower.stream;
  }

  /** Ends all of them. */
  close(error: IsopodError): void {
    for (const follower of this.#followers) follower.end(error);
    this.#followers.clear();
  }
}
