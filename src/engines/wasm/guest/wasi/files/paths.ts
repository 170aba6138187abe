/**
 * From a path to what it stands for. A path begins in a folder that is open and never leads out of it: neither by "..",
 * nor by a link, nor by a "/" in front.
 */
import { FILE_TYPE, refuse } from "../numbers.ts";
import { FolderNode, type Node } from "./nodes.ts";

const PATH_BYTES_MAX = 4096;
const NAME_BYTES_MAX = 255;
/** Links that one path may lead through. */
const LINKS_MAX = 40;

/** Where a path has led. */
export interface Place {
  /** The folder that the last name is looked up in. */
  readonly folder: FolderNode;
  /** The last name; undefined when the path ends in "." or "..", or is of nothing else. */
  readonly name: string | undefined;
  /** What is there; undefined for nothing. */
  readonly node: Node | undefined;
  /** Whether the path ended in "/", so that only a folder can be meant. */
  readonly wantsFolder: boolean;
}

/** The text of a path that a module has passed. @throws {Refusal} */
export function pathText(bytes: Uint8Array): string {
  if (bytes.length > PATH_BYTES_MAX) refuse("nametoolong");
  if (bytes.includes(0)) refuse("inval");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse("ilseq");
  }
}

/**
 * Follows `path` from `start`.
 * @param follows whether a link at its end is followed
 * @throws {Refusal} when it leads out, or through what is no folder
 */
export function resolve(start: FolderNode, path: string, follows: boolean): Place {
  if (path === "") refuse("noent");
  const way: FolderNode[] = [start];
  const names = namesOf(path);
  const wantsFolder = path.endsWith("/");
  for (let links = 0; ; ) {
    const folder = way.at(-1) ?? start;
    const name = names.pop();
    if (name === undefined) return { folder, name: undefined, node: folder, wantsFolder };
    if (name === ".") continue;
    if (name === "..") {
      if (way.length === 1) refuse("notcapable");
      way.pop();
      continue;
    }
    if (name.length > NAME_BYTES_MAX) refuse("nametoolong");
    const node = folder.get(name);
    const isLast = names.length === 0;
    if (node?.type === FILE_TYPE.link && (!isLast || follows || wantsFolder)) {
      links += 1;
      if (links > LINKS_MAX) refuse("loop");
      names.push(...namesOf(node.target));
      continue;
    }
    if (isLast) return { folder, name, node, wantsFolder };
    if (node === undefined) return refuse("noent");
    if (!(node instanceof FolderNode)) return refuse("notdir");
    way.push(node);
  }
}

/** The parts of a path, the first one last. @throws {Refusal} when it begins at a root */
function namesOf(path: string): string[] {
  if (path.startsWith("/")) refuse("notcapable");
  return path
    .split("/")
    .filter((name) => name !== "")
    .reverse();
}

/** What is there. @throws {Refusal} */
export function existing({ node, wantsFolder }: Place): Node {
  if (node === undefined) return refuse("noent");
  if (wantsFolder && node.type !== FILE_TYPE.folder) refuse("notdir");
  return node;
}

/** The name of something that is to be made there. @throws {Refusal} */
export function freeName({ name, node, wantsFolder }: Place, isFolder: boolean): string {
  if (node !== undefined || name === undefined) return refuse("exist");
  if (wantsFolder && !isFolder) refuse("noent");
  return name;
}
