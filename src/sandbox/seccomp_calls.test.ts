/** The table of call numbers against the kernel's own headers, where they are installed. */

import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { type Arch, CALLS, LAST_CALL } from "./seccomp_calls.ts";

/** Names and numbers in a kernel header; the generic one spells some as `__NR3264_`, and has 32-bit ones from 403 to 423. */
function headerCalls(path: string): [string, number][] {
  const found = readFileSync(path, "utf8").matchAll(/^#define __NR(?:3264)?_(\w+)\s+(\d+)/gm);
  const skipped = ["syscalls", "arch_specific_syscall", "sync_file_range2"];
  return [...found]
    .map(([, name = "", number]): [string, number] => [name === "fstatat" ? "newfstatat" : name, Number(number)])
    .filter(([name, number]) => !skipped.includes(name) && (number < 403 || number > 423) && number <= LAST_CALL);
}

const HEADERS: readonly (readonly [Arch, readonly string[]])[] = [
  ["x86_64", ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"]],
  ["aarch64", ["/usr/include/asm-generic/unistd.h"]],
];

describe("the table of calls", () => {
  for (const [arch, paths] of HEADERS) {
    const path = paths.find((each) => existsSync(each));
    test.skipIf(path === undefined)(
      `${arch} agrees with the kernel's headers${path ? "" : " (skipped: they are not installed)"}`,
      () => {
        const header = headerCalls(path ?? "");
        expect(header.length).toBeGreaterThan(250);
        expect(header.filter(([name, number]) => CALLS[arch].get(name) !== number)).toEqual([]);
        const names = new Set(header.map(([name]) => name));
        const last = Math.max(...header.map(([, number]) => number));
        expect([...CALLS[arch]].filter(([name, number]) => number <= last && !names.has(name))).toEqual([]);
      },
    );
  }
});
