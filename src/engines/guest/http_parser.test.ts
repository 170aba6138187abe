/** The guest's reader of HTTP/1.1: the same whatever the splits, garbage refused, bounds kept. */
import { describe, expect, test } from "bun:test";
import { seededRandom } from "../../testing/seeded_random.ts";
import { HttpError } from "./http_fields.ts";
import { HEAD_BYTES_MAX, HttpParser } from "./http_parser.ts";

interface Seen {
  readonly method: string;
  readonly target: string;
  readonly headers: Record<string, string>;
  body: string;
  trailers?: Record<string, string>;
}

function read(pieces: readonly Uint8Array[]): Seen[] {
  const seen: Seen[] = [];
  const parser = new HttpParser({
    start: ({ method, target, headers }) =>
      void seen.push({ method, target, headers: Object.fromEntries(headers), body: "" }),
    data(bytes) {
      (seen.at(-1) as Seen).body += Buffer.from(bytes).toString("latin1");
    },
    end(trailers) {
      (seen.at(-1) as Seen).trailers = Object.fromEntries(trailers);
    },
  });
  for (const piece of pieces) parser.push(piece, () => false);
  return seen;
}

const TEXT = [
  "GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Two: 1\r\n\r\n",
  "POST http://elsewhere/path HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
  "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5;ext=1\r\ndefgh\r\n0\r\nX-End: yes\r\n\r\n",
  "POST /d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
].join("");

const WANTED = [
  { method: "GET", target: "/a?b=c", headers: { host: "x", "x-two": "1" }, body: "", trailers: {} },
  { method: "POST", target: "/path", headers: { "content-length": "5" }, body: "hello", trailers: {} },
  {
    method: "POST",
    target: "/c",
    headers: { "transfer-encoding": "chunked" },
    body: "abcdefgh",
    trailers: { "x-end": "yes" },
  },
  { method: "POST", target: "/d", headers: { "transfer-encoding": "chunked" }, body: "", trailers: {} },
];

test("requests are the same however their bytes are split", () => {
  const random = seededRandom(7);
  const bytes = Buffer.from(TEXT);
  expect(read([bytes])).toEqual(WANTED);
  expect(read([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(WANTED);
  for (let round = 0; round < 300; round++) {
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + random.below(40);
      pieces.push(bytes.subarray(at, at + size));
      at += size;
    }
    expect(read(pieces)).toEqual(WANTED);
  }
});

describe("what is no request is refused", () => {
  for (const [what, text] of Object.entries({
    "a request line": "GET\r\n\r\n",
    "a version": "GET / HTTP/2.0\r\n\r\n",
    "a header": "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    "a header's name": "GET / HTTP/1.1\r\na b: c\r\n\r\n",
    "a length": "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "two ways to say the length": "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a coding": "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    "a chunk's length": "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "a chunk's end": "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
    "a long head": `GET / HTTP/1.1\r\nx: ${"y".repeat(HEAD_BYTES_MAX)}`,
    "a long chunk line": `POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${"0".repeat(300)}`,
  })) {
    test(what, () => expect(() => read([Buffer.from(text)])).toThrow(HttpError));
  }
});

test("garbage is a refusal or a request, and nothing else", () => {
  const random = seededRandom(11);
  for (let round = 0; round < 2000; round++) {
    const bytes = Buffer.from(TEXT);
    for (let flips = 0; flips < 3; flips++) bytes[random.below(bytes.length)] = random.below(256);
    try {
      read([bytes]);
    } catch (error) {
      expect(error).toBeInstanceOf(HttpError);
    }
  }
});
