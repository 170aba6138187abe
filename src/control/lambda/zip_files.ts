/**
 * Reads the zip that a function's code comes in. Nothing is written to a disk: files become entries of a version by their
 * names, each of which is checked.
 *
 * A zip is hostile: what it says of its sizes is held against what comes out of it, and inflating ends where a bound is
 * reached. Links, devices, encrypted files and names that lead elsewhere refuse the whole.
 */
import { fromBufferPromise, type ZipFile, type Entry as ZipItem } from "yauzl";
import type { DeployedFile } from "../deploy/version_files.ts";
import { versionFile } from "../fields.ts";
import { invalid, LambdaError } from "./failures.ts";

/** What a zip may be. */
export interface ZipBounds {
  readonly filesMax: number;
  /** Of all files together, unpacked. */
  readonly bytesMax: number;
}

const FILE_KIND = 0o170000;
const REGULAR = 0o100000;
/** `versionMadeBy` of systems whose attributes are those of Unix: Unix, and macOS. */
const UNIX_SYSTEMS = new Set([3, 19]);

/** The files of a zip. @throws {LambdaError} `InvalidParameterValueException` naming the first mistake */
export async function readZip(bytes: Uint8Array, bounds: ZipBounds): Promise<DeployedFile[]> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const zip = await fromBufferPromise(buffer, { lazyEntries: true, strictFileNames: true, validateEntrySizes: true });
    return await readAll(zip, bounds);
  } catch (error) {
    if (error instanceof LambdaError) throw error;
    const why = error instanceof Error ? error.message.slice(0, 200) : String(error);
    return invalid(`Could not unzip uploaded file: ${why}. Please check your file, then try to upload again.`);
  }
}

async function readAll(zip: ZipFile, { filesMax, bytesMax }: ZipBounds): Promise<DeployedFile[]> {
  const files = new Map<string, DeployedFile>();
  let left = bytesMax;
  for await (const item of zip.eachEntry()) {
    const path = item.fileName;
    checkItem(item);
    if (path.endsWith("/")) continue;
    const { success } = versionFile.shape.path.safeParse(path);
    if (!success) invalid(`Could not unzip uploaded file: "${path.slice(0, 100)}" is no plain relative path.`);
    if (files.has(path)) invalid(`Could not unzip uploaded file: "${path.slice(0, 100)}" is in it twice.`);
    if (files.size >= filesMax) invalid(`Could not unzip uploaded file: it holds more than ${filesMax} files.`);
    const content = await unpack(zip, item, left, bytesMax);
    left -= content.length;
    files.set(path, { path, content });
  }
  if (files.size === 0) invalid("Uploaded file must be a non-empty zip");
  return [...files.values()];
}

function checkItem(item: ZipItem): void {
  const path = item.fileName.slice(0, 100);
  if (item.isEncrypted()) invalid(`Could not unzip uploaded file: "${path}" is encrypted.`);
  if (!UNIX_SYSTEMS.has(item.versionMadeBy >>> 8)) return;
  const kind = (item.externalFileAttributes >>> 16) & FILE_KIND;
  const isFolder = item.fileName.endsWith("/");
  if (kind === 0 || kind === REGULAR || isFolder) return;
  invalid(`Could not unzip uploaded file: "${path}" is a link or a device, and files alone are taken.`);
}

async function unpack(zip: ZipFile, item: ZipItem, left: number, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const tooLarge = () => invalid(`Unzipped size must be smaller than ${bytesMax} bytes`);
  if (item.uncompressedSize > left) tooLarge();
  const stream = await zip.openReadStreamPromise(item);
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > left) tooLarge();
    chunks.push(chunk);
  }
  const whole = Buffer.concat(chunks);
  if (Bun.hash.crc32(whole) !== item.crc32 >>> 0) {
    invalid(`Could not unzip uploaded file: "${item.fileName.slice(0, 100)}" is damaged (CRC-32).`);
  }
  return whole;
}
