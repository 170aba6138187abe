import { expect, test } from "bun:test";
import { type Linked, RecencyList } from "./recency_list.ts";

interface Item extends Linked<Item> {
  readonly id: number;
}

test("keeps the order of arrival through any pushes and deletions", () => {
  const list = new RecencyList<Item>();
  const items = [...Array(20).keys()].map((id): Item => ({ id, older: undefined, newer: undefined }));
  const model: Item[] = [];
  let seed = 3;
  for (let round = 0; round < 5000; round++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const item = items[(seed >>> 16) % items.length] as Item;
    const at = model.indexOf(item);
    if (at >= 0) model.splice(at, 1);
    list.delete(item);
    if (at < 0 || seed >>> 31 === 1) {
      model.push(item);
      list.push(item);
    }
    expect(list.size).toBe(model.length);
    expect(list.oldest).toBe(model[0]);
    expect(list.has(item)).toBe(model.includes(item));
  }
  while (list.oldest !== undefined) {
    expect(list.oldest).toBe(model.shift() as Item);
    list.delete(list.oldest);
  }
  expect(list.size).toBe(0);
});
