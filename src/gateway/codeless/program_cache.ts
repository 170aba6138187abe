/**
 * Builds programs that import from the network, and keeps the bundles, by the content that they were made of.
 *
 * A program is looked up by its hash and address together with the hashes of what it imported last time: as long as
 * the sources give the same bytes, the bundle stands. Sources decide themselves how often they ask again.
 */
import type { LoadedModule, ModuleLoader, Program, ProgramBuilder, ProgramSource } from "../../core/function.ts";

/** Joins a source with what the loader finds. */
export type Build = (source: ProgramSource, loader: ModuleLoader, signal: AbortSignal) => Promise<Program>;

interface Entry {
  readonly program: Program;
  /** What was imported: who asked for what, and the hash of what came. */
  readonly imports: readonly { readonly specifier: string; readonly importer: string; readonly hash: string }[];
}

/** Characters of all bundles together. */
const CACHE_LENGTH_MAX = 64 * 1024 * 1024;

/** A builder that remembers. */
export function createProgramCache(build: Build, loader: ModuleLoader): ProgramBuilder {
  const entries = new Map<string, Entry>();
  let length = 0;

  const forget = (key: string) => {
    const entry = entries.get(key);
    if (entry === undefined) return;
    entries.delete(key);
    length -= sizeOf(entry);
  };
  const keep = (key: string, entry: Entry) => {
    forget(key);
    entries.set(key, entry);
    length += sizeOf(entry);
    for (const oldest of entries.keys()) {
      if (length <= CACHE_LENGTH_MAX) break;
      forget(oldest);
    }
  };
  const stands = async (entry: Entry, signal: AbortSignal): Promise<boolean> => {
    const same = entry.imports.map(async ({ specifier, importer, hash }) => {
      return hashOf(await loader.load(specifier, importer, signal)) === hash;
    });
    return (await Promise.all(same)).every(Boolean);
  };
  return {
    async build(source, signal) {
      const key = `${source.hash} ${source.language} ${source.target ?? ""} ${source.url ?? ""}`;
      const known = entries.get(key);
      if (known !== undefined && (await stands(known, signal))) {
        entries.delete(key);
        entries.set(key, known);
        return known.program;
      }
      const imports: { specifier: string; importer: string; hash: string }[] = [];
      const recording: ModuleLoader = {
        async load(specifier, importer, loadSignal) {
          const module = await loader.load(specifier, importer, loadSignal);
          imports.push({ specifier, importer, hash: hashOf(module) });
          return module;
        },
      };
      const program = await build(source, recording, signal);
      if (program.sourceMap !== undefined) keep(key, { program, imports });
      return program;
    },
  };
}

function hashOf({ id, code }: LoadedModule): string {
  return new Bun.CryptoHasher("sha256").update(id).update("\0").update(code).digest("hex");
}

function sizeOf({ program }: Entry): number {
  return program.code.length + (program.sourceMap?.length ?? 0);
}
