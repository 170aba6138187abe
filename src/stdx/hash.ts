/** The form in which programs, keys and contents are named: `sha256-<hex>`. */
export function hashOf(content: string | Uint8Array): string {
  return `sha256-${new Bun.CryptoHasher("sha256").update(content).digest("hex")}`;
}
