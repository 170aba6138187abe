/**
 * What programs see as their root: the machine's own programs and libraries, read-only, with an `/etc` of ours; nothing
 * of /home, /root, /var or /srv. Or a folder with a root file system of somebody's own.
 */
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { dirname, join } from "node:path";

/** What is mounted, by its path in the sandbox. */
type Binds = readonly (readonly [to: string, from: string])[];

/** Parts of the machine's root that programs need; some are links to others. */
const SYSTEM_FOLDERS = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/** What of the machine's /etc is no secret and is needed: the loader's cache, names chosen among alternatives, zones, roots of trust. */
const SYSTEM_FILES = [
  "etc/ld.so.cache",
  "etc/ld.so.conf",
  "etc/ld.so.conf.d",
  "etc/alternatives",
  "etc/localtime",
  "etc/ssl/certs",
  "etc/ca-certificates.conf",
  "etc/mime.types",
];

/** What is in the machine's root as links, and what must be mounted. */
export interface SystemRoot {
  readonly links: Readonly<Record<string, string>>;
  readonly folders: readonly string[];
  readonly binds: Binds;
}

/** Finds out what this machine has. */
export function systemRoot(): SystemRoot {
  const links: Record<string, string> = {};
  const folders: string[] = [];
  const binds: [string, string][] = [];
  for (const name of SYSTEM_FOLDERS) {
    const stats = lstatSync(`/${name}`, { throwIfNoEntry: false });
    if (stats?.isSymbolicLink()) links[name] = readlinkSync(`/${name}`);
    else if (stats?.isDirectory()) {
      folders.push(name);
      binds.push([`/${name}`, `/${name}`]);
    }
  }
  return { links, folders, binds };
}

/** The files of the machine's /etc to be mounted, as far as there are any: links are followed, so that copies will do. */
export function systemFiles(): readonly string[] {
  return SYSTEM_FILES.filter((path) => lstatSync(`/${path}`, { throwIfNoEntry: false }) !== undefined);
}

/** The `/etc` that every program finds. */
export const ETC_FILES: Readonly<Record<string, string>> = {
  "etc/passwd": "root:x:0:0:root:/:/usr/sbin/nologin\nisopod:x:1000:1000:isopod:/tmp:/bin/sh\n",
  "etc/group": "root:x:0:\nisopod:x:1000:\n",
  "etc/hosts": "127.0.0.1 localhost sandbox sandbox.localdomain isopod\n",
  "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
  "etc/resolv.conf": "",
  "etc/hostname": "isopod\n",
};

/** What a root of somebody's own has itself; the rest is the sandbox's. */
const OWN = new Set(["proc", "dev", "tmp", "program", "guest.js"]);

/** Where the loader of programs that are linked against glibc is. */
const LOADER = { x64: "lib64/ld-linux-x86-64.so.2", arm64: "lib/ld-linux-aarch64.so.1" };

/**
 * What of a folder with a root file system is linked and mounted.
 * @throws {Error} when the guest, which is linked against glibc, cannot run on it
 */
export function folderRoot(root: string): SystemRoot & { readonly files: readonly string[] } {
  const loader = LOADER[process.arch as keyof typeof LOADER];
  if (loader === undefined || !reaches(root, loader)) {
    throw new Error(`Cannot use the root ${root}: it has no /${loader}, which is glibc's (musl alone will not do)`);
  }
  const links: Record<string, string> = {};
  const folders: string[] = [];
  const files: string[] = [];
  const binds: [string, string][] = [];
  const add = (path: string) => {
    const stats = lstatSync(join(root, path));
    if (stats.isSymbolicLink()) links[path] = readlinkSync(join(root, path));
    else if (stats.isDirectory() || stats.isFile()) {
      (stats.isFile() ? files : folders).push(path);
      binds.push([`/${path}`, join(root, path)]);
    }
  };
  for (const name of readdirSync(root)) {
    if (OWN.has(name)) continue;
    // What is mounted at /var/task must have its place beside what the root has there.
    if (name !== "var" || !lstatSync(join(root, name)).isDirectory()) add(name);
    else for (const inner of readdirSync(join(root, name))) if (!/^(task|runtime)$/.test(inner)) add(`var/${inner}`);
  }
  return { links, folders, files, binds };
}

/** Whether a path leads to something within `root`, as a process would see it that has it as its root. */
function reaches(root: string, path: string): boolean {
  let at = "";
  const left = path.split("/");
  for (let steps = 0; steps < 100; steps += 1) {
    const part = left.shift();
    if (part === undefined) return true;
    if (part === "" || part === ".") continue;
    at = part === ".." ? dirname(at) : join(at, part);
    const stats = lstatSync(join(root, at), { throwIfNoEntry: false });
    if (stats === undefined) return false;
    if (!stats.isSymbolicLink()) continue;
    const target = readlinkSync(join(root, at));
    left.unshift(...target.split("/"));
    at = target.startsWith("/") ? "" : dirname(at);
  }
  return false;
}
