/** `process.memoryUsage` without files: Node's reads /proc, which a sealed guest cannot open. */

interface HeapFigures {
  heapStats(): { readonly heapSize: number; readonly heapCapacity: number; readonly extraMemorySize: number };
  memoryUsage(): { readonly current: number };
}

/** What the guest's process uses, in bytes, as its engine counts it. */
export function memoryUsage() {
  // Loaded when it is first asked for: few programs do.
  const { heapStats, memoryUsage: processUsage } = process.getBuiltinModule("bun:jsc") as unknown as HeapFigures;
  const { heapSize, heapCapacity, extraMemorySize } = heapStats();
  const rss = processUsage().current;
  return { rss, heapTotal: heapCapacity, heapUsed: heapSize, external: extraMemorySize, arrayBuffers: extraMemorySize };
}
