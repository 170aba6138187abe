/** Pairs of connected sockets: how a guest's standard input and output reach the host as one descriptor each way. */
import { dlopen, FFIType, ptr } from "bun:ffi";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
/** No other child of this server gets it. */
const SOCK_CLOEXEC = 0o2000000;

let open: ((domain: number, type: number, protocol: number, pair: Int32Array) => number) | undefined;

/** A pair of sockets, closed in children that are not handed one of them. @throws {Error} when there is none to be had */
export function socketPair(): [ours: number, theirs: number] {
  open ??= openSymbol();
  const pair = new Int32Array(2);
  if (open(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) !== 0) throw new Error("Cannot open a pair of sockets");
  return [pair[0] as number, pair[1] as number];
}

function openSymbol(): NonNullable<typeof open> {
  const { i32, pointer } = FFIType;
  const library = dlopen("libc.so.6", { socketpair: { args: [i32, i32, i32, pointer], returns: i32 } });
  return (domain, type, protocol, pair) => library.symbols.socketpair(domain, type, protocol, ptr(pair));
}
