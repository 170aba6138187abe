/**
 * How much each project keeps on the store: counted once by a list of all it has, and from then on by what it changes.
 *
 * Puts that are under way at once may pass the quota by what they hold together, since the store counts nothing.
 */
import type { DataQuotas } from "../../../core/binding.ts";
import type { S3Client } from "./client.ts";
import { pageOf } from "./pages.ts";
import type { Room } from "./sending.ts";

/** The counts. */
export class Usage {
  readonly #client: S3Client;
  readonly #quotas: DataQuotas;
  readonly #bytes = new Map<string, Promise<{ bytes: number }>>();

  constructor(client: S3Client, quotas: DataQuotas) {
    this.#client = client;
    this.#quotas = quotas;
  }

  /** What a project may still put. */
  async room(project: string): Promise<Room> {
    let counting = this.#bytes.get(project);
    if (counting === undefined) {
      counting = this.#count(project);
      this.#bytes.set(project, counting);
      counting.catch(() => this.#bytes.delete(project));
    }
    const { bytes } = await counting;
    const quotaBytes = this.#quotas.bytesMax("blob", project);
    return { bytes: Math.max(0, quotaBytes - bytes), quotaBytes };
  }

  /** A project keeps more now, or less. */
  changed(project: string, bytes: number): void {
    this.#bytes.get(project)?.then(
      (counted) => {
        counted.bytes += bytes;
      },
      () => {},
    );
  }

  forget(project: string): void {
    this.#bytes.delete(project);
  }

  /** Does something with everything that a project has, a page at a time; `name` is the key below the server's prefix. */
  async forEach(project: string, step: (name: string, bytes: number) => Promise<void>): Promise<void> {
    const root = `${project}/`;
    const { prefix } = this.#client;
    for (let after: string | undefined; ; ) {
      const query = {
        ...{ "list-type": "2", prefix: prefix + root },
        ...(after !== undefined && { "start-after": prefix + root + after }),
      };
      const page = pageOf(
        await this.#client.sendForXml({ method: "GET", key: "", query }),
        prefix.length + root.length,
      );
      for (const { key, size } of page.objects) await step(root + key, size);
      if (page.after === undefined) return;
      after = page.after;
    }
  }

  async #count(project: string): Promise<{ bytes: number }> {
    const counted = { bytes: 0 };
    await this.forEach(project, async (_name, bytes) => {
      counted.bytes += bytes;
    });
    return counted;
  }
}
