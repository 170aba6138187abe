import { expect, test } from "bun:test";
import { fitted } from "./help_text.ts";

test("paragraphs are broken anew for the terminal, and what is indented stays", () => {
  const text =
    "Usage: isopod run [options] <file>\n\nOne two three\nfour five.\n\nExamples:\n  isopod run a-long-name.ts\n";
  expect(fitted(text, 12)).toBe(
    "Usage: isopod run [options] <file>\n\nOne two\nthree four\nfive.\n\nExamples:\n  isopod run a-long-name.ts\n",
  );
  expect(fitted(text, 80)).toContain("\n\nOne two three four five.\n\n");
});
