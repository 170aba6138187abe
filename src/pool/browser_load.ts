/** A program of the `browser` engine as a load has it: its parts named in the parcel, their bytes one behind the other. */
import type { BrowserProgram, PageLayout } from "../core/browser_program.ts";

/** What the bytes are. */
export function pageParts({ code, html, files }: BrowserProgram): PageLayout {
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
