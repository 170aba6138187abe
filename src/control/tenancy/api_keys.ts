/** API keys of projects: made here and shown once, known by their hash from then on, recognised by their beginning. */
import { IsopodError } from "../../core/errors.ts";
import type { Store } from "../../core/store.ts";
import { hashOf } from "../../stdx/hash.ts";
import { type ApiKeyRecord, type KeyScope, toBytes } from "../deploy/records.ts";
import type { Known, Replica } from "../publish/replica.ts";
import type { Audit } from "./audit.ts";
import { checkQuota } from "./quotas.ts";
import type { SecretBox } from "./secret_box.ts";
import { makePair, type SigningPair } from "./signing_pairs.ts";

/** What a key is to be. */
export interface KeyInput {
  readonly scopes: readonly KeyScope[];
  readonly plan: string;
  readonly expiresAt?: number | undefined;
  readonly name?: string | undefined;
  readonly mayPin?: boolean | undefined;
  /** Whether it gets a pair that signs requests. */
  readonly aws?: boolean | undefined;
}

/** What is told of a key. */
export interface KeyInfo extends Omit<ApiKeyRecord, "aws"> {
  /** What it is called in the API: the beginning of its hash. */
  readonly id: string;
}

/** What keys take. */
export interface KeyParts {
  readonly store: Store;
  readonly replica: Replica;
  readonly audit: Audit;
  readonly box: SecretBox;
  /** The names of all plans. */
  planNames(): readonly string[];
  wallNow(): number;
}

const ID_DIGITS = 16;
/** Characters of a key that everybody may see. */
const PREFIX_LENGTH = 13;

/** The keys. */
export class ApiKeys {
  readonly #parts: KeyParts;

  constructor(parts: KeyParts) {
    this.#parts = parts;
  }

  list(project: string): KeyInfo[] {
    return this.#of(project)
      .map(infoOf)
      .sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  }

  /** Makes a key; its text and its pair are given here and never again. @throws {IsopodError} `bad_request`, `quota_exceeded` */
  async create(
    by: string,
    project: string,
    input: KeyInput,
  ): Promise<{ key: string; pair: SigningPair | undefined; info: KeyInfo }> {
    const { store, replica, audit } = this.#parts;
    const quotas = replica.get("projects", project)?.value.quotas ?? {};
    checkQuota(project, quotas, "keysMax", this.#of(project).length + 1);
    const plans = this.#parts.planNames();
    if (!plans.includes(input.plan)) {
      const known = plans.slice(0, 20).join(", ");
      throw new IsopodError("bad_request", { message: `There is no plan "${input.plan}"; the plans are ${known}` });
    }
    if (input.expiresAt !== undefined && input.expiresAt <= this.#parts.wallNow()) {
      throw new IsopodError("bad_request", { message: "Cannot make a key that has expired already" });
    }
    const key = `isopod_${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString("base64url")}`;
    const hash = hashOf(key);
    const { scopes, plan, expiresAt, name, mayPin = false } = input;
    const made = input.aws === true ? makePair(this.#parts.box, project, hash) : undefined;
    const record: ApiKeyRecord = {
      ...{ prefix: key.slice(0, PREFIX_LENGTH), project, scopes: [...new Set(scopes)], plan, mayPin },
      ...(expiresAt !== undefined && { expiresAt }),
      ...(name !== undefined && { name }),
      ...(made !== undefined && { aws: made.sealed }),
      createdAt: this.#parts.wallNow(),
    };
    const revision = await store.put(["keys", hash], toBytes(record), { ifRevision: 0 });
    const info = infoOf({ key: ["keys", hash], value: record, revision });
    await audit.add({
      who: by,
      action: "key-create",
      project,
      what: record.prefix,
      after: { scopes, plan, expiresAt },
    });
    await replica.reached(revision);
    return { key, pair: made?.pair, info };
  }

  /** @throws {IsopodError} `not_found` */
  async delete(by: string, project: string, id: string): Promise<void> {
    const { store, replica, audit } = this.#parts;
    const found = this.#of(project).find((known) => infoOf(known).id === id);
    if (found === undefined) throw new IsopodError("not_found", { message: `There is no key "${id}".` });
    const revision = await store.delete(found.key);
    await audit.add({ who: by, action: "key-delete", project, what: found.value.prefix });
    await replica.reached(revision);
  }

  /** The key of a text, unless it has expired. */
  find(text: string): ApiKeyRecord | undefined {
    const record = this.#parts.replica.get("keys", hashOf(text))?.value;
    const { expiresAt = Number.POSITIVE_INFINITY } = record ?? {};
    return expiresAt > this.#parts.wallNow() ? record : undefined;
  }

  #of(project: string): Known<"keys">[] {
    return this.#parts.replica.all("keys").filter(({ value }) => value.project === project);
  }
}

function infoOf({ key, value: { aws: _, ...value } }: Known<"keys">): KeyInfo {
  return { ...value, id: (key[1] ?? "").slice("sha256-".length, "sha256-".length + ID_DIGITS) };
}
