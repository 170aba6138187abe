// curl localhost:8080/statistics -d '[3, 1, 4, 1, 5, 9, 2, 6]'

export default {
  async fetch(request: Request): Promise<Response> {
    const numbers: unknown = await request.json().catch(() => undefined);
    if (!isNumbers(numbers)) {
      return Response.json({ error: "Send a JSON list of numbers, such as [1, 2, 3]." }, { status: 400 });
    }
    return Response.json(describe(numbers));
  },
};

function isNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "number");
}

function describe(numbers: number[]) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const mean = sum(sorted) / sorted.length;
  const deviation = Math.sqrt(sum(sorted.map((value) => (value - mean) ** 2)) / sorted.length);
  return { count: sorted.length, min: sorted[0], max: sorted.at(-1), mean, median: median(sorted), deviation };
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, value) => total + value, 0);
}

function median(sorted: number[]): number {
  const upper = sorted[sorted.length >> 1] ?? Number.NaN;
  const lower = sorted[(sorted.length - 1) >> 1] ?? Number.NaN;
  return (lower + upper) / 2;
}
