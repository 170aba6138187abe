/** What is told of a put beside its bytes: metadata, and the checksums that the bytes must have. */
import type { BindingCall } from "../../core/binding.ts";
import { BLOB_LIMITS } from "./limits.ts";
import { CHECKSUM_NAMES, type Checksums, type HttpMetadata, type PutFacts } from "./object.ts";
import { refused, tooLarge } from "./refused.ts";
import { decoded, headerOf } from "./request.ts";

const HTTP_TEXTS = ["contentType", "contentLanguage", "contentDisposition", "contentEncoding", "cacheControl"] as const;

/** Metadata and checksums of a put. @throws {IsopodError} `bad_request`, `value_too_large` */
export function factsOf(call: BindingCall): PutFacts {
  return { httpMetadata: httpMetadataOf(call), customMetadata: customMetadataOf(call), checksums: checksumsOf(call) };
}

function httpMetadataOf(call: BindingCall): HttpMetadata {
  const said = jsonOf(call, "http-metadata", BLOB_LIMITS.httpMetadataBytesMax);
  const kept: Record<string, string | number> = {};
  for (const name of HTTP_TEXTS) {
    const value = said[name];
    if (value === undefined) continue;
    if (typeof value !== "string" || /[\0-\x1f\x7f]|[^\0-\xff]/.test(value))
      throw refused(`expected ${name} to be a header's value`);
    kept[name] = value;
  }
  const { cacheExpiry } = said;
  if (cacheExpiry !== undefined) {
    if (typeof cacheExpiry !== "number" || !Number.isSafeInteger(cacheExpiry))
      throw refused("expected cacheExpiry to be a date");
    kept.cacheExpiry = cacheExpiry;
  }
  return kept;
}

function customMetadataOf(call: BindingCall): Record<string, string> {
  const said = jsonOf(call, "custom-metadata", BLOB_LIMITS.customMetadataBytesMax);
  for (const [name, value] of Object.entries(said)) {
    if (typeof value !== "string") throw refused(`expected the metadata "${name.slice(0, 40)}" to be a text`);
  }
  return said as Record<string, string>;
}

function jsonOf(call: BindingCall, header: string, bytesMax: number): Record<string, unknown> {
  const text = headerOf(call, header);
  if (text === undefined) return {};
  const json = decoded(text, header);
  if (Buffer.byteLength(json) > bytesMax)
    throw tooLarge(`${header} is larger`, { name: "metadataBytesMax", value: bytesMax });
  try {
    const value: unknown = JSON.parse(json);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // Named below.
  }
  throw refused(`expected ${header} to be an object in JSON`);
}

const HEX_DIGITS = { md5: 32, sha1: 40, sha256: 64, sha384: 96, sha512: 128 } as const;

function checksumsOf(call: BindingCall): Checksums {
  const sums: Record<string, string> = {};
  for (const name of CHECKSUM_NAMES) {
    const text = headerOf(call, `checksum-${name}`)?.toLowerCase();
    if (text === undefined) continue;
    if (!/^[0-9a-f]+$/.test(text) || text.length !== HEX_DIGITS[name]) {
      throw refused(`expected ${name} as ${HEX_DIGITS[name]} hexadecimal digits`);
    }
    sums[name] = text;
  }
  return sums;
}
