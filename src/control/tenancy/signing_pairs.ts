/**
 * The pairs of an access key id and a secret that sign requests (AWS Signature Version 4). A pair belongs to an API key:
 * what that opens, and until when, holds for both.
 *
 * Who checks a signature must know the secret itself, so that it is kept, encrypted as secrets of projects are, where of
 * the key there is a hash alone.
 */
import type { Store } from "../../core/store.ts";
import { type ApiKeyRecord, keyRecord, readJson } from "../deploy/records.ts";
import { changeRecord } from "../deploy/stored_records.ts";
import type { Known, Replica } from "../publish/replica.ts";
import type { SealedSecret, SecretBox } from "./secret_box.ts";

/** A pair; the secret is shown when it is made, and never again. */
export interface SigningPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A pair that was found, and the key that it belongs to. */
export interface KnownPair {
  /** Of the key. */
  readonly hash: string;
  readonly key: ApiKeyRecord;
  readonly secretAccessKey: string;
}

/** What pairs take. */
export interface SigningPairParts {
  readonly store: Store;
  readonly replica: Replica;
  readonly box: SecretBox;
  wallNow(): number;
}

const ID_PREFIX = "ISOPOD";
const ID_DIGITS = 16;
const SECRET_BYTES = 30;

/** The access key id of the key with this hash: what the key is called in the API, in AWS's alphabet. */
export function accessKeyIdOf(hash: string): string {
  const digits = hash.slice("sha256-".length, "sha256-".length + ID_DIGITS);
  return `${ID_PREFIX}${digits.toUpperCase()}`;
}

/** Makes the pair of a key, and what is stored of it. */
export function makePair(
  box: SecretBox,
  project: string,
  hash: string,
): { readonly pair: SigningPair; readonly sealed: SealedSecret } {
  const accessKeyId = accessKeyIdOf(hash);
  const secretAccessKey = Buffer.from(crypto.getRandomValues(new Uint8Array(SECRET_BYTES))).toString("base64");
  return { pair: { accessKeyId, secretAccessKey }, sealed: box.seal(project, accessKeyId, secretAccessKey) };
}

/** The pairs of all keys. */
export class SigningPairs {
  readonly #parts: SigningPairParts;
  /** Hashes of keys by the access key ids that were asked for. */
  readonly #hashes = new Map<string, string>();

  constructor(parts: SigningPairParts) {
    this.#parts = parts;
  }

  /** The pair of an access key id, unless its key has expired. @throws {Error} when its secret cannot be decrypted */
  find(accessKeyId: string): KnownPair | undefined {
    const found = this.#keyOf(accessKeyId);
    if (found === undefined) return undefined;
    const { value: key } = found;
    const { expiresAt = Number.POSITIVE_INFINITY, aws } = key;
    if (aws === undefined || expiresAt <= this.#parts.wallNow()) return undefined;
    return { hash: found.key[1] ?? "", key, secretAccessKey: this.#parts.box.open(key.project, accessKeyId, aws) };
  }

  /** Encrypts again with the first key of the box what another has encrypted; how many secrets that were. */
  async rotate(): Promise<{ rotated: number; unreadable: number }> {
    const { store, replica, box } = this.#parts;
    const counts = { rotated: 0, unreadable: 0 };
    for (const { key, value } of replica.all("keys")) {
      if (value.aws === undefined || box.isCurrent(value.aws)) continue;
      const id = accessKeyIdOf(key[1] ?? "");
      try {
        await changeRecord(store, key, undefined, `key ${value.prefix}`, (before) => {
          const record = keyRecord.parse(before && readJson(before));
          if (record.aws === undefined) return record;
          return { ...record, aws: box.seal(record.project, id, box.open(record.project, id, record.aws)) };
        });
        counts.rotated += 1;
      } catch {
        counts.unreadable += 1;
      }
    }
    return counts;
  }

  #keyOf(accessKeyId: string): Known<"keys"> | undefined {
    const { replica } = this.#parts;
    const hash = this.#hashes.get(accessKeyId);
    const known = hash === undefined ? undefined : replica.get("keys", hash);
    if (known !== undefined) return known;
    // Only what exists is remembered, so that it is no more than there are keys.
    if (hash !== undefined) this.#hashes.delete(accessKeyId);
    const found = replica.all("keys").find(({ key }) => accessKeyIdOf(key[1] ?? "") === accessKeyId);
    if (found !== undefined) this.#hashes.set(accessKeyId, found.key[1] ?? "");
    return found;
  }
}
