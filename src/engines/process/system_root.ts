/**
 * What programs see as their root: the machine's own programs and libraries, read-only, with an `/etc` of ours; nothing
 * of /home, /root, /var or /srv. Or a folder with a root file system of somebody's own.
 */
import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** What is mounted, by its path in the sandbox. */
export type Bind = readonly (readonly [to: string, from: string])[];

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
  readonly binds: Bind;
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

/** What of a root of somebody's own is mounted: everything but what the sandbox has itself. */
export function folderBinds(root: string): Bind {
  const own = new Set(["proc", "dev", "tmp", "opt", "var", "etc", "program"]);
  const top = readdirSync(root).filter((name) => !own.has(name));
  return top.map((name) => [`/${name}`, join(root, name)] as const);
}
