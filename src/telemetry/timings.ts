/**
 * A histogram of times that costs tens of nanoseconds an observation, and the bound on label values that it needs.
 *
 * It counts into plain numbers and gives prom-client's registry the finished values when the registry asks.
 */
import type { Metric, Registry } from "prom-client";

/** Upper bounds in seconds: from a warm hello to the longest wall limit. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900];
const TARGETS_MAX = 1000;
const OTHER = "other";

/** The values that a label has had; from a number of them on, all others are one. */
export class LabelValues {
  readonly #max: number;
  readonly #seen = new Set<string>();

  constructor(max: number) {
    this.#max = max;
  }

  bounded(value: string): string {
    if (this.#seen.has(value)) return value;
    if (this.#seen.size >= this.#max) return OTHER;
    this.#seen.add(value);
    return value;
  }
}

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** Not cumulative; the last one is above all bounds. */
  readonly buckets: Float64Array;
  sum: number;
}

/** A histogram by a bounded label, and by the class of a status where `statusLabel` is given. */
export class Timings {
  readonly #name: string;
  readonly #help: string;
  readonly #label: string;
  readonly #statusLabel: string | undefined;
  readonly #series = new Map<string, (Series | undefined)[]>();

  constructor(name: string, help: string, label: string, statusLabel?: string) {
    this.#name = name;
    this.#help = help;
    this.#label = label;
    this.#statusLabel = statusLabel;
  }

  observe(value: string, status: number, seconds: number): void {
    const series = this.#seriesOf(value, status);
    let bucket = 0;
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] ?? 0)) bucket += 1;
    series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
    series.sum += seconds;
  }

  register(registry: Registry): void {
    // The registry asks its metrics for nothing but a name and their values.
    const metric = { name: this.#name, get: async () => this.#collect() };
    registry.registerMetric(metric as unknown as Metric);
  }

  #seriesOf(value: string, status: number): Series {
    let label = value;
    let classes = this.#series.get(label);
    if (classes === undefined) {
      if (this.#series.size >= TARGETS_MAX) label = OTHER;
      classes = this.#series.get(label) ?? [];
      this.#series.set(label, classes);
    }
    const index = status >= 100 && status < 600 ? Math.floor(status / 100) : 0;
    const known = classes[index];
    if (known !== undefined) return known;
    const labels = { [this.#label]: label, ...(this.#statusLabel && { [this.#statusLabel]: `${index}xx` }) };
    const series: Series = { labels, buckets: new Float64Array(BUCKETS.length + 1), sum: 0 };
    classes[index] = series;
    return series;
  }

  #collect(): object {
    const values = [];
    for (const series of [...this.#series.values()].flat()) {
      if (series === undefined) continue;
      let count = 0;
      for (const [index, own] of series.buckets.entries()) {
        count += own;
        const le = BUCKETS[index] ?? "+Inf";
        values.push({ metricName: `${this.#name}_bucket`, labels: { le, ...series.labels }, value: count });
      }
      values.push({ metricName: `${this.#name}_sum`, labels: series.labels, value: series.sum });
      values.push({ metricName: `${this.#name}_count`, labels: series.labels, value: count });
    }
    return { name: this.#name, help: this.#help, type: "histogram", values, aggregator: "sum" };
  }
}
