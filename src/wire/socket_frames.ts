/** Messages of a WebSocket as `data` frames of its invocation's stream: the first byte is the opcode. */

/** The opcodes, as RFC 6455 has them. */
export const SOCKET_OP = { text: 1, binary: 2, close: 8 } as const;

const encoder = new TextEncoder();

/** The payload of a message. */
export function socketFrame(op: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(1 + body.length);
  frame[0] = op;
  frame.set(body, 1);
  return frame;
}

/** The payload that closes a socket. */
export function closeFrame(code: number, reason: string): Uint8Array {
  return socketFrame(SOCKET_OP.close, encoder.encode(JSON.stringify({ code, reason })));
}
