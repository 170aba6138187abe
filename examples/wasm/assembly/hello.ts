// Hello in AssemblyScript, in the `handle` ABI. It has two functions, and no runtime of its own:
// npx asc hello.ts -O --runtime stub --use abort= -o hello.wasm

@external("env", "response_set_header")
declare function setHeader(name: usize, nameSize: i64, value: usize, valueSize: i64): void;
@external("env", "response_set_body")
declare function setBody(text: usize, size: i64): void;
@external("env", "request_method")
declare function requestMethod(text: usize, size: i64): i64;

function answer(text: string): void {
  const name = String.UTF8.encode("content-type");
  const type = String.UTF8.encode("text/plain; charset=utf-8");
  const body = String.UTF8.encode(text);
  setHeader(changetype<usize>(name), name.byteLength, changetype<usize>(type), type.byteLength);
  setBody(changetype<usize>(body), body.byteLength);
}

export function hello(): void {
  const room = new ArrayBuffer(16);
  const size = requestMethod(changetype<usize>(room), 16);
  answer(`hello, ${String.UTF8.decodeUnsafe(changetype<usize>(room), <usize>size)}`);
}

export function greet(): void {
  answer("Grüße aus Köln, à bientôt!\n");
}
