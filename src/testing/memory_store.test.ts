import { MemoryContents, MemoryStore } from "./memory_store.ts";
import { testStore } from "./store-suite.ts";

testStore("memory", (clock) => {
  const contents = new MemoryContents();
  const opened: MemoryStore[] = [];
  return {
    open() {
      const store = new MemoryStore(contents, clock);
      opened.push(store);
      return store;
    },
    async remove() {
      await Promise.all(opened.map((store) => store.close()));
    },
  };
});
