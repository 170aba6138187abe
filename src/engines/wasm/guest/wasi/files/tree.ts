/** The function's files as they arrive with its module, as a tree that nobody can change. */
import type { WasmLoad } from "../../../../../wire/wasm_load.ts";
import { Room } from "./node.ts";
import { FileNode, FolderNode, LinkNode } from "./nodes.ts";

/** The root of the tree of `entries`, whose contents stand in `bytes` one behind the other. */
export function readTree(entries: WasmLoad["files"], bytes: Uint8Array): FolderNode {
  const root = new FolderNode(undefined);
  let at = 0;
  for (const [path, contents] of entries) {
    const names = path.split("/");
    const name = names.pop() ?? path;
    const folder = names.reduce(folderIn, root);
    if (typeof contents === "string") {
      folder.add(name, new LinkNode(undefined, contents));
      continue;
    }
    folder.add(name, new FileNode(undefined, bytes.subarray(at, at + contents)));
    at += contents;
  }
  return root;
}

/** The folder `name` in `parent`, made where there is none; it takes the place of a file. */
export function folderIn(parent: FolderNode, name: string): FolderNode {
  const found = parent.get(name);
  if (found instanceof FolderNode) return found;
  const made = new FolderNode(undefined);
  parent.add(name, made);
  return made;
}

/**
 * The folders that a command finds open, by their names, for one invocation.
 * @param buckets those that are filled from buckets
 */
export function mountsOf(
  tree: FolderNode,
  tmpBytes: number,
  buckets: Iterable<readonly [name: string, folder: FolderNode]> = [],
): Map<string, FolderNode> {
  const mounts = new Map(tmpBytes > 0 ? [["/tmp", new FolderNode(new Room(tmpBytes))]] : []);
  for (const [name, folder] of buckets) mounts.set(name, folder);
  let root = tree;
  for (const [name, folder] of mounts) root = root.withMount(name.slice(1), folder);
  return new Map([["/", root], ...mounts]);
}
