/** A version of the store as a program of the `browser` engine: its bundle, its page, and the files beside it. */
import { posix } from "node:path";
import type { BrowserProgram, PageFile } from "../../core/browser_program.ts";
import { IsopodError } from "../../core/errors.ts";
import type { Program } from "../../core/function.ts";
import type { BlobStore } from "../../core/store.ts";
import { isPageFile, makePageProgram, PAGE, pageFile } from "../loading/page_files.ts";
import type { Manifest } from "./records.ts";

/** The program of a version whose bundle is `bundle`. @throws {IsopodError} when a blob is gone */
export async function storedPage(
  blobs: BlobStore,
  { entry, files }: Manifest,
  bundle: Pick<Program, "code" | "sourceMap">,
): Promise<BrowserProgram> {
  const read = async ({ path, hash }: Manifest["files"][number]) => {
    const bytes = await blobs.read(hash);
    if (bytes === undefined) throw new IsopodError("internal", { cause: `the blob of ${path} is gone` });
    return bytes;
  };
  const page = files.find(({ path }) => path === PAGE);
  const others = files.filter(({ path }) => path !== entry && path !== `${entry}.map` && isPageFile(path));
  const made: PageFile[] = await Promise.all(others.map(async (file) => pageFile(file.path, await read(file))));
  const html = page && new TextDecoder().decode(await read(page));
  return makePageProgram(bundle, posix.basename(entry), made, html);
}
