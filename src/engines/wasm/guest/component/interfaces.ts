/**
 * The interfaces of WASI 0.2 that a component may import, as names without a version, and which of their functions may
 * have to wait. Read by what transpiles components, too: who imports another is refused at deploy.
 */

/** Packages and the interfaces of each. */
const PACKAGES: Readonly<Record<string, string>> = {
  "wasi:http": "types outgoing-handler",
  "wasi:io": "error poll streams",
  "wasi:clocks": "monotonic-clock wall-clock",
  "wasi:random": "random insecure insecure-seed",
  "wasi:cli":
    "environment exit stdin stdout stderr terminal-input terminal-output terminal-stdin terminal-stdout terminal-stderr",
  "wasi:filesystem": "types preopens",
  "wasi:sockets": "instance-network network ip-name-lookup tcp tcp-create-socket udp udp-create-socket",
  "wasi:keyvalue": "store atomics batch",
  "wasi:config": "store runtime",
  "wasi:logging": "logging",
};

/** What may have to wait: the stack of a component that calls it is suspended meanwhile. */
const WAITING: Readonly<Record<string, string>> = {
  "wasi:io/poll": "poll [method]pollable.block",
  "wasi:io/streams":
    "[method]input-stream.blocking-read [method]input-stream.blocking-skip " +
    "[method]output-stream.blocking-write-and-flush [method]output-stream.blocking-flush " +
    "[method]output-stream.blocking-write-zeroes-and-flush [method]output-stream.blocking-splice",
  "wasi:keyvalue/store":
    "[method]bucket.get [method]bucket.set [method]bucket.delete [method]bucket.exists [method]bucket.list-keys",
  "wasi:keyvalue/atomics": "increment swap [static]cas.new [method]cas.current",
  "wasi:keyvalue/batch": "get-many set-many delete-many",
};

/** The interface that a component must export, without its version. */
export const INCOMING_HANDLER = "wasi:http/incoming-handler";

/** Whether there is an interface of this name. */
export function isKnownInterface(name: string): boolean {
  const [from = "", own = ""] = name.split("/");
  return Object.hasOwn(PACKAGES, from) && (PACKAGES[from] as string).split(" ").includes(own);
}

/** The functions that may have to wait, as jco names them. */
export function waitingFunctions(): string[] {
  return Object.entries(WAITING).flatMap(([name, list]) => list.split(" ").map((each) => `${name}#${each}`));
}
