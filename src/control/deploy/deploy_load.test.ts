/** Deploys and rollbacks under constant load: no request fails, and none is answered by what was never current. */
import { expect, test } from "bun:test";
import { ask, deploy, functionPath, saying } from "../../testing/control_client.ts";
import { startTestServer } from "../../testing/server.ts";

const MOVES = 100;
const CLIENTS = 4;

test(`${MOVES} deploys and rollbacks under load: no failure, and each answer is of a version that was current`, async () => {
  await using server = await startTestServer({ prewarmed: 2 });
  const asked = (text: string) => deploy(server, "f", saying(text), { routes: ["GET /f"] });
  await asked("0");
  /** When each text began to be current at the earliest, and was no longer at the latest. */
  const spans: { text: string; from: number; until: number }[] = [
    { text: "0", from: 0, until: Number.POSITIVE_INFINITY },
  ];
  const wrong: string[] = [];
  let over = false;
  let requests = 0;
  const client = async () => {
    while (!over) {
      const sentAt = performance.now();
      const response = await fetch(`${server.url}/f`);
      const text = await response.text();
      const answeredAt = performance.now();
      requests += 1;
      const fits = spans.some((span) => span.text === text && span.from <= answeredAt && span.until >= sentAt);
      if (response.status !== 200 || !fits) wrong.push(`${response.status} ${text} at ${sentAt} to ${answeredAt}`);
    }
  };
  const clients = Array.from({ length: CLIENTS }, client);
  const texts = ["0"];
  for (let move = 1; move <= MOVES; move += 1) {
    const isRollback = move % 3 === 0 && texts.length > 1;
    if (isRollback) texts.pop();
    else texts.push(String(move));
    const text = texts.at(-1) ?? "";
    spans.push({ text, from: performance.now(), until: Number.POSITIVE_INFINITY });
    const { status, body } = isRollback ? await ask(server, "POST", functionPath("f", "/rollback")) : await asked(text);
    if (status !== 200) wrong.push(`move ${move}: ${status} ${JSON.stringify(body)}`);
    const before = spans.at(-2);
    if (before !== undefined) before.until = performance.now();
  }
  over = true;
  await Promise.all(clients);
  expect(wrong).toEqual([]);
  expect(requests).toBeGreaterThan(MOVES);
}, 120_000);
