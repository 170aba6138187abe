// curl -N localhost:8080/primes/1000
//
// What a generator yields is sent as it is yielded. Hang up, and the function ends with you.

export default async function* primes(_request: Request, _env: unknown, ctx: { params: { limit: string } }) {
  const limit = Number(ctx.params.limit);
  const found: number[] = [];
  for (let candidate = 2; candidate <= limit; candidate++) {
    if (found.some((prime) => candidate % prime === 0)) continue;
    found.push(candidate);
    yield `${candidate}\n`;
  }
}
