/** What there is of extensions before they speak: their files, and the lists of events that they register with. */

/** The events of a registration; undefined when its body is none. */
export function eventsOf(body: string): readonly string[] | undefined {
  try {
    const { events = [] } = JSON.parse(body) as { events?: unknown };
    return Array.isArray(events) && events.every((event) => typeof event === "string") ? events : undefined;
  } catch {
    return undefined;
  }
}

/** The files of a folder, in order, links to files among them; none when there is no folder. */
export function filesIn(folder: string): string[] {
  try {
    return [...new Bun.Glob("*").scanSync({ cwd: folder, dot: true, followSymlinks: true })].sort();
  } catch {
    return [];
  }
}
