/** A temporary folder of source files, as somebody develops functions in one. */
import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** The folder; `using` removes it. */
export class ProjectFolder implements Disposable {
  readonly path: string;

  /** @param files their texts, by their paths within the folder */
  constructor(files: Readonly<Record<string, string>>) {
    this.path = mkdtempSync(join(tmpdir(), "isopod-project-"));
    chmodSync(this.path, 0o755);
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  /** Writes a file, the folders above it included. */
  write(name: string, text: string | Uint8Array): void {
    const file = join(this.path, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  /** Writes a file beside it, and renames it over, as many editors do. */
  replace(name: string, text: string): void {
    this.write(`${name}~`, text);
    renameSync(join(this.path, `${name}~`), join(this.path, name));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}
