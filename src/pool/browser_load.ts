/** A program of the `browser` engine as a load has it: its parts named in the parcel, their bytes one behind the other. */
import type { BrowserProgram } from "../core/browser_program.ts";
import type { LoadParcel } from "../wire/heads.ts";

/** What the bytes are. */
export function pageParts({ code, html, files }: BrowserProgram): NonNullable<LoadParcel["browser"]> {
  return {
    codeBytes: Buffer.byteLength(code),
    ...(html !== undefined && { htmlBytes: Buffer.byteLength(html) }),
    files: files.map(({ path, type, bytes }) => ({ path, type, bytes: bytes.length })),
  };
}

/** The bytes. */
export function pageBytes({ code, html, files }: BrowserProgram): Uint8Array {
  return Buffer.concat([Buffer.from(code), Buffer.from(html ?? ""), ...files.map(({ bytes }) => bytes)]);
}
