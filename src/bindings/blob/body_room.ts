/**
 * What the bodies of a project that are under way may take on the disk before any of them is an object: each what the quota
 * leaves it, and all together twice the quota.
 *
 * Whether an object is kept is decided when it is whole; this is so that no program fills the disk until then. All together
 * get more than the quota, since bodies that will be refused must not have those refused that would fit without them.
 */
import { overQuota } from "./refused.ts";

const QUOTAS_UNDER_WAY = 2;

/** The room of one project. */
export class BodyRoom {
  readonly #bytesMax: () => number;
  #taken = 0;

  /** @param bytesMax how much the project may keep now, in bytes */
  constructor(bytesMax: () => number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Makes room for a body, until `leave`.
   * @param left what the project keeps beside it now, in bytes
   */
  enter(left: () => number): BodyPlace {
    let own = 0;
    return {
      take: (bytes) => {
        own += bytes;
        this.#taken += bytes;
        const max = this.#bytesMax();
        const wanted = left() + own;
        if (wanted > max || this.#taken > max * QUOTAS_UNDER_WAY) throw overQuota(Math.max(wanted, this.#taken), max);
      },
      leave: () => {
        this.#taken -= own;
        own = 0;
      },
    };
  }
}

/** The place of one body. */
export interface BodyPlace {
  /** @throws {IsopodError} `quota_exceeded` */
  take(bytes: number): void;
  leave(): void;
}
