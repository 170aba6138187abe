/** JSON as it was written, on one line: what parses and writes it anew changes numbers, and drops members that stand twice. */

const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;

/** JSON text, of which is known that it is one, without line ends: they can only stand between its parts. */
export function onOneLine(json: Uint8Array): Uint8Array {
  // A mark of the byte order is no part of the text.
  const text = json[0] === 0xef && json[1] === 0xbb && json[2] === 0xbf ? json.subarray(3) : json;
  if (text.indexOf(LINE_FEED) < 0 && text.indexOf(RETURN) < 0) return text;
  return text.map((byte) => (byte === LINE_FEED || byte === RETURN ? SPACE : byte));
}
