/** A straight line through samples. */

/** A point of a series: minutes since the beginning, and what was measured. */
export interface Point {
  readonly minutes: number;
  readonly value: number;
}

/** The slope of the line with the least squares through `points`, in units of the value a minute; 0 for fewer than 2. */
export function slopeOf(points: readonly Point[]): number {
  const count = points.length;
  const middle = points.reduce((sum, { minutes }) => sum + minutes, 0) / count;
  const level = points.reduce((sum, { value }) => sum + value, 0) / count;
  let above = 0;
  let below = 0;
  for (const { minutes, value } of points) {
    above += (minutes - middle) * (value - level);
    below += (minutes - middle) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
