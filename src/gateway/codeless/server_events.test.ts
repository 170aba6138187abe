import { expect, test } from "bun:test";
import { encodeEvent, encodeKeepAlive, eventText, OutputEvents } from "./server_events.ts";

/** Reads a stream as the HTML standard says. */
function read(stream: string): { event: string; data: string }[] {
  const events: { event: string; data: string }[] = [];
  let event = "message";
  let data: string[] = [];
  for (const line of stream.split(/\r\n|\r|\n/)) {
    if (line === "") {
      if (data.length > 0) events.push({ event, data: data.join("\n") });
      event = "message";
      data = [];
    } else if (line.startsWith("event:")) event = line.slice(6).replace(/^ /, "");
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return events;
}

function text(...chunks: (Uint8Array | undefined)[]): string {
  return Buffer.concat(chunks.filter((chunk) => chunk !== undefined)).toString();
}

/** The bytes that output events stand for. */
function outputBytes(stream: string): Buffer {
  return Buffer.concat(
    read(stream).map(({ event, data }) => {
      expect(event).toBe("output");
      const value = JSON.parse(data);
      return typeof value === "string" ? Buffer.from(value) : Buffer.from(value.base64, "base64");
    }),
  );
}

test("an event has its name and JSON on one line", () => {
  expect(text(encodeEvent("log", { level: "info", text: "a\nb\r\n\nevent: end" }))).toBe(
    'event: log\ndata: {"level":"info","text":"a\\nb\\r\\n\\nevent: end"}\n\n',
  );
  expect(text(encodeEvent("result", undefined))).toBe("event: result\ndata: null\n\n");
  expect(read(text(encodeKeepAlive(), encodeEvent("end", 1)))).toEqual([{ event: "end", data: "1" }]);
});

test("text of several lines begins no event of its own", () => {
  expect(read(eventText("log", "a\n\nevent: end\rdata: x\r\n"))).toEqual([
    { event: "log", data: "a\n\nevent: end\ndata: x\n" },
  ]);
  expect(() => eventText("a\nb", "")).toThrow("Cannot encode event");
});

test("a character that is cut is held back, binary output becomes base64", () => {
  const output = new OutputEvents();
  const euro = new TextEncoder().encode("€");
  expect(output.write(euro.subarray(0, 2))).toBeUndefined();
  expect(text(output.write(euro.subarray(2)))).toContain('"€"');
  expect(text(output.write(new Uint8Array([0xff, 0x00])))).toContain('{"base64":"/wA="}');
  expect(output.write(euro.subarray(0, 1))).toBeUndefined();
  expect(text(output.flush())).toContain('{"base64":"4g=="}');
  expect(output.flush()).toBeUndefined();
  expect(output.write(new Uint8Array())).toBeUndefined();
  expect(text(output.write(new TextEncoder().encode("\ufeffx")))).toContain("\ufeffx");
});

test("any text cut anywhere is strings, any bytes are themselves", () => {
  let seed = 21;
  const next = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  for (let round = 0; round < 400; round++) {
    const isText = round % 2 === 0;
    const bytes = isText
      ? Buffer.from(Array.from({ length: next(20) }, () => ["a", "é", "€", "😀", "\n", "\u0000"][next(6)]).join(""))
      : Buffer.from(
          Array.from({ length: next(30) }, () => [0x61, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0xff, 0xc0, 0x80][next(9)] ?? 0),
        );
    const output = new OutputEvents();
    let stream = "";
    for (let at = 0; at < bytes.length; ) {
      const end = at + 1 + next(6);
      stream += text(output.write(bytes.subarray(at, end)));
      at = end;
    }
    stream += text(output.flush());
    expect(outputBytes(stream).equals(bytes)).toBeTrue();
    if (isText) expect(stream).not.toContain("base64");
  }
});
