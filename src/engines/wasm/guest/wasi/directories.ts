/** The folders of a command that are filled from its blob bindings. */
import type { WasmSettings } from "../../../../core/wasm_program.ts";
import type { HostInvocation } from "../host_calls/host_invocation.ts";
import { BucketFolder } from "./files/bucket.ts";
import type { FolderNode } from "./files/nodes.ts";

/** Those of one instance. */
export interface Directories {
  readonly hasSome: boolean;
  /** By the names under which they are open from the beginning. */
  folders(): (readonly [name: string, folder: FolderNode])[];
  /** Brings them up to date, with the bindings of an invocation. @throws {Error} naming the one that cannot be */
  refresh(invocation: HostInvocation): Promise<void>;
}

/** The directories that the settings name: `BINDING`, or `BINDING/prefix` for what is below that. */
export function directoriesOf({ directories = {} }: WasmSettings): Directories {
  const all = Object.entries(directories).map(([name, source]) => {
    const slash = source.indexOf("/");
    const binding = slash < 0 ? source : source.slice(0, slash);
    const prefix = slash < 0 ? "" : source.slice(slash + 1);
    return { name, binding, folder: new BucketFolder(prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`) };
  });
  return {
    hasSome: all.length > 0,
    folders: () => all.map(({ name, folder }) => [name, folder.root]),
    async refresh(invocation) {
      for (const { name, binding, folder } of all) {
        try {
          await folder.refresh(invocation.binding("blob", "createMultipartUpload", binding));
        } catch (error) {
          const why = error instanceof Error ? error.message : String(error);
          throw new Error(`Cannot fill the directory "${name}" from "${binding}": ${why}`, { cause: error });
        }
      }
    },
  };
}
