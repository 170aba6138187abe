/** A straight line through samples. */

/** A point of a series: minutes since the beginning, and what was measured. */
export interface Point {
  readonly minutes: number;
  readonly value: number;
}

/** A slope and its standard error, both in units of the value a minute. */
export interface Slope {
  readonly slope: number;
  readonly error: number;
}

/** The slope of the line with the least squares through `points`; 0, with an infinite error, for fewer than 3. */
export function slopeOf(points: readonly Point[]): Slope {
  const count = points.length;
  if (count < 3) return { slope: 0, error: Number.POSITIVE_INFINITY };
  const middle = points.reduce((sum, { minutes }) => sum + minutes, 0) / count;
  const level = points.reduce((sum, { value }) => sum + value, 0) / count;
  const spread = points.reduce((sum, { minutes }) => sum + (minutes - middle) ** 2, 0);
  const slope = points.reduce((sum, { minutes, value }) => sum + (minutes - middle) * (value - level), 0) / spread;
  const rest = points.reduce((sum, { minutes, value }) => sum + (value - level - slope * (minutes - middle)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (count - 2) / spread) };
}

/** The lowest point of each minute: the memory of a collected heap is a saw tooth, whose foot is what is in use. */
export function feetOf(points: readonly Point[]): Point[] {
  const feet = new Map<number, Point>();
  for (const point of points) {
    const minute = Math.floor(point.minutes);
    const lowest = feet.get(minute);
    if (lowest === undefined || point.value < lowest.value) feet.set(minute, point);
  }
  return [...feet.values()];
}
