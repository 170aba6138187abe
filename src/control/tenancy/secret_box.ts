/**
 * Encrypts secrets before they reach the store: AES-256-GCM, bound to the project and the name that they are for, so
 * that who can write to the store cannot give one project's secret to another.
 *
 * Several keys may be at hand: the first encrypts, all decrypt. A rotation is a new first key, and writing each secret
 * anew.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A secret as it is stored. All texts are base64. */
export interface SealedSecret {
  readonly keyId: string;
  readonly iv: string;
  readonly data: string;
  readonly tag: string;
}

interface BoxKey {
  readonly id: string;
  readonly bytes: Uint8Array;
}

const KEY_FILE = "secrets-key";
const KEY_EXPECTED = "expected 32 bytes as 64 hexadecimal digits or as base64";

/** Reads keys from a text: divided by commas or line ends. @throws {Error} that shows nothing of the keys */
export function parseSecretKeys(text: string): Uint8Array[] {
  const parts = text.split(/[,\s]+/).filter((part) => part !== "");
  if (parts.length === 0) throw new Error(`there is no key in it; ${KEY_EXPECTED}`);
  return parts.map((part, index) => {
    const bytes = /^[0-9a-f]{64}$/i.test(part) ? Buffer.from(part, "hex") : Buffer.from(part, "base64");
    if (bytes.length !== 32) throw new Error(`key ${index + 1} has ${bytes.length} bytes; ${KEY_EXPECTED}`);
    return bytes;
  });
}

/** The key in the data directory: read, or made when there is none. Only its owner can read the file. */
export function readOrCreateSecretKeys(directory: string): Uint8Array[] {
  const path = join(directory, KEY_FILE);
  if (!existsSync(path)) writeFileSync(path, `${randomBytes(32).toString("hex")}\n`, { mode: 0o600, flag: "wx" });
  try {
    return parseSecretKeys(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Error(`Cannot read the key of the secrets: ${error instanceof Error ? error.message : error} (${path})`, {
      cause: error,
    });
  }
}

/** Seals and opens. */
export class SecretBox {
  readonly #keys: readonly BoxKey[];

  constructor(keys: readonly Uint8Array[]) {
    this.#keys = keys.map((bytes) => ({ id: createHash("sha256").update(bytes).digest("hex").slice(0, 16), bytes }));
  }

  /** Whether `sealed` is by the key that encrypts now. */
  isCurrent({ keyId }: SealedSecret): boolean {
    return keyId === this.#keys[0]?.id;
  }

  seal(project: string, name: string, value: string): SealedSecret {
    const [key] = this.#keys;
    if (key === undefined) throw new Error("Cannot encrypt a secret: there is no key");
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", key.bytes, iv).setAAD(boundTo(project, name));
    const data = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
    const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");
    return { keyId: key.id, iv: text(iv), data: text(data), tag: text(cipher.getAuthTag()) };
  }

  /** @throws {Error} when its key is not at hand, or it is not what was sealed for this project and name */
  open(project: string, name: string, sealed: SealedSecret): string {
    const key = this.#keys.find(({ id }) => id === sealed.keyId);
    if (key === undefined) throw new Error(`Cannot decrypt secret "${name}": its key ${sealed.keyId} is not at hand`);
    const bytes = (text: string) => Buffer.from(text, "base64");
    try {
      const decipher = createDecipheriv("aes-256-gcm", key.bytes, bytes(sealed.iv), { authTagLength: 16 });
      decipher.setAAD(boundTo(project, name)).setAuthTag(bytes(sealed.tag));
      return Buffer.concat([decipher.update(bytes(sealed.data)), decipher.final()]).toString("utf8");
    } catch (cause) {
      throw new Error(`Cannot decrypt secret "${name}" of project "${project}": it is damaged or was moved`, { cause });
    }
  }
}

function boundTo(project: string, name: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([project, name]));
}
