/** Components for tests: the text of a core module with the functions of WASI 0.2 at hand, and what is made of it. */
import { buildComponent, readWit } from "../../examples/wasm/components.ts";

export { buildComponent, readWit };

const IMPORTS: Readonly<Record<string, string>> = {
  "wasi:http/types@0.2.0": `
    $fields [constructor]fields : -> i32
    $fields_append [method]fields.append : i32 i32 i32 i32 i32 i32 ->
    $response [constructor]outgoing-response : i32 -> i32
    $set_status [method]outgoing-response.set-status-code : i32 i32 -> i32
    $response_body [method]outgoing-response.body : i32 i32 ->
    $body_write [method]outgoing-body.write : i32 i32 ->
    $body_finish [static]outgoing-body.finish : i32 i32 i32 i32 ->
    $body_drop [resource-drop]outgoing-body : i32 ->
    $set [static]response-outparam.set : i32 i32 i32 i32 i64 i32 i32 i32 i32 ->
    $path [method]incoming-request.path-with-query : i32 i32 ->
    $consume [method]incoming-request.consume : i32 i32 ->
    $stream [method]incoming-body.stream : i32 i32 ->
    $request [constructor]outgoing-request : i32 -> i32
    $set_authority [method]outgoing-request.set-authority : i32 i32 i32 i32 -> i32
    $set_scheme [method]outgoing-request.set-scheme : i32 i32 i32 i32 i32 -> i32
    $set_path [method]outgoing-request.set-path-with-query : i32 i32 i32 i32 -> i32
    $future_subscribe [method]future-incoming-response.subscribe : i32 -> i32
    $future_get [method]future-incoming-response.get : i32 i32 ->
    $arrived_consume [method]incoming-response.consume : i32 i32 ->`,
  "wasi:http/outgoing-handler@0.2.0": "$send handle : i32 i32 i32 i32 ->",
  "wasi:io/streams@0.2.0": `
    $say [method]output-stream.blocking-write-and-flush : i32 i32 i32 i32 ->
    $check [method]output-stream.check-write : i32 i32 ->
    $write [method]output-stream.write : i32 i32 i32 i32 ->
    $splice [method]output-stream.blocking-splice : i32 i32 i64 i32 ->
    $read [method]input-stream.blocking-read : i32 i64 i32 ->
    $out_subscribe [method]output-stream.subscribe : i32 -> i32
    $out_drop [resource-drop]output-stream : i32 ->
    $in_drop [resource-drop]input-stream : i32 ->`,
  "wasi:io/poll@0.2.0": `
    $block [method]pollable.block : i32 ->
    $poll poll : i32 i32 i32 ->`,
  "wasi:clocks/monotonic-clock@0.2.0": "$after subscribe-duration : i64 -> i32",
  "wasi:clocks/wall-clock@0.2.0": "$wall now : i32 ->",
  "wasi:random/random@0.2.0": "$random get-random-bytes : i64 i32 ->",
  "wasi:cli/environment@0.2.0": "$environment get-environment : i32 ->",
  "wasi:cli/stderr@0.2.0": "$stderr get-stderr : -> i32",
  "wasi:cli/exit@0.2.0": "$exit exit : i32 ->",
  "wasi:keyvalue/store@0.2.0-draft": `
    $open open : i32 i32 i32 ->
    $bucket_get [method]bucket.get : i32 i32 i32 i32 ->
    $bucket_set [method]bucket.set : i32 i32 i32 i32 i32 i32 ->`,
  "wasi:keyvalue/atomics@0.2.0-draft": "$increment increment : i32 i32 i32 i64 i32 ->",
  "wasi:keyvalue/batch@0.2.0-draft": `
    $get_many get-many : i32 i32 i32 i32 ->
    $set_many set-many : i32 i32 i32 i32 ->
    $delete_many delete-many : i32 i32 i32 i32 ->`,
  "wasi:keyvalue/store@0.2.0-draft2": `
    $open2 open : i32 i32 i32 ->
    $list_keys [method]bucket.list-keys : i32 i32 i32 i32 i32 ->`,
  "wasi:keyvalue/atomics@0.2.0-draft2": `
    $cas [static]cas.new : i32 i32 i32 i32 ->
    $swap swap : i32 i32 i32 i32 ->`,
  "wasi:logging/logging@0.1.0-draft": "$log log : i32 i32 i32 i32 i32 ->",
  "wasi:config/store@0.2.0-draft": "$config get : i32 i32 i32 ->",
};

/** What every module here has: an allocator that only grows, and the steps of an answer. */
const STEPS = `
  (memory (export "memory") 2)
  (global $next (mut i32) (i32.const 65536))
  (global $body (mut i32) (i32.const 0))
  (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
    (global.set $next (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func $respond (param $out i32) (param $response i32)
    (call $set (local.get $out) (i32.const 0) (local.get $response) (i32.const 0) (i64.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
  ;; Answers with a status, and gives the stream of the body.
  (func $begin (param $out i32) (param $status i32) (result i32)
    (local $r i32)
    (local.set $r (call $response (call $fields)))
    (drop (call $set_status (local.get $r) (local.get $status)))
    (call $response_body (local.get $r) (i32.const 0))
    (global.set $body (i32.load (i32.const 4)))
    (call $respond (local.get $out) (local.get $r))
    (call $body_write (global.get $body) (i32.const 0))
    (i32.load (i32.const 4)))
  (func $end (param $stream i32)
    (call $out_drop (local.get $stream))
    (call $body_finish (global.get $body) (i32.const 0) (i32.const 0) (i32.const 0)))
  ;; Answers with a text and nothing more.
  (func $answer (param $out i32) (param $at i32) (param $size i32)
    (local $s i32)
    (local.set $s (call $begin (local.get $out) (i32.const 200)))
    (call $say (local.get $s) (local.get $at) (local.get $size) (i32.const 0))
    (call $end (local.get $s)))
  ;; Sends all of a stream as the answer's body.
  (func $pass (param $out i32) (param $from i32)
    (local $s i32)
    (local.set $s (call $begin (local.get $out) (i32.const 200)))
    (loop $more
      (call $splice (local.get $s) (local.get $from) (i64.const 65536) (i32.const 0))
      (br_if $more (i32.eqz (i32.load8_u (i32.const 0)))))
    (call $in_drop (local.get $from))
    (call $end (local.get $s)))
  ;; The stream of the request's body.
  (func $input (param $request i32) (result i32)
    (call $consume (local.get $request) (i32.const 0))
    (call $stream (i32.load (i32.const 4)) (i32.const 0))
    (i32.load (i32.const 4)))`;

/** The text of a core module whose handler is `body`, of the locals `$request` and `$out`. */
export function componentModule(body: string, { data = "", more = "" } = {}): string {
  const functions = Object.entries(IMPORTS).flatMap(([from, list]) =>
    list
      .trim()
      .split("\n")
      .map((line) => {
        const [, name, own, params = "", result = ""] = /^\s*(\S+) (\S+) :(.*)->(.*)$/.exec(line) ?? [];
        const signature = [
          ...(params.trim() && [`(param ${params.trim()})`]),
          ...(result.trim() && [`(result ${result.trim()})`]),
        ];
        return { name, text: `(import "${from}" "${own}" (func ${name} ${signature.join(" ")}))` };
      }),
  );
  const own = `${STEPS} ${more} (func (export "wasi:http/incoming-handler@0.2.0#handle")
    (param $request i32) (param $out i32) ${body})`;
  // Only what is called is imported.
  const used = functions.filter(({ name = "" }) => own.includes(`(call ${name} `) || own.includes(`(call ${name})`));
  return `(module ${used.map(({ text }) => text).join("\n")} (data (i32.const 1024) "${data}") ${own})`;
}

/** The component whose handler is `body`. */
export function makeComponent(body: string, parts: Parameters<typeof componentModule>[1] = {}): Promise<Uint8Array> {
  return buildComponent(componentModule(body, parts));
}

/** The component that does what the last character of the path says; `$a`, `$b` and `$s` are locals for that. */
export function makeChoice(
  choices: Readonly<Record<string, string>>,
  parts: Parameters<typeof componentModule>[1] = {},
): Promise<Uint8Array> {
  const cases = Object.entries(choices).map(
    ([letter, body]) => `(if (i32.eq (local.get $a) (i32.const ${letter.charCodeAt(0)})) (then ${body} (return)))`,
  );
  return makeComponent(
    `(local $a i32) (local $b i32) (local $s i32)
    (call $path (local.get $request) (i32.const 0))
    (local.set $a (i32.load8_u (i32.sub (i32.add (i32.load (i32.const 4)) (i32.load (i32.const 8))) (i32.const 1))))
    ${cases.join("\n")} (unreachable)`,
    parts,
  );
}
