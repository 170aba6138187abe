;; A component of `wasi:http/proxy` that counts the visits of each path in its KV binding VISITS:
;;
;;   [[functions]]
;;   name = "visits"
;;   path = "./wasm/components/visits.wasm"
;;   routes = ["GET /visits/*"]
;;   bindings = { VISITS = { type = "kv", name = "visits" } }
;;
;; This is its core module; `components.ts` makes the component of it, for the world in `wit/component.wit`.
(module
  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-response.body" (func $response_body (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-body.write" (func $body_write (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[static]outgoing-body.finish" (func $body_finish (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.0" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.0" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $say (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $stream_drop (param i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "open" (func $open (param i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.get" (func $get (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft" "increment" (func $increment (param i32 i32 i32 i64 i32)))

  (memory (export "memory") 1)
  (data (i32.const 1024) "VISITS visits of \n")

  ;; What is given to the component lies above 4096, one after the other: an instance has one invocation.
  (global $next (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
    (global.set $next (i32.add (local.get $at) (local.get $size)))
    (local.get $at))

  (func (export "wasi:http/incoming-handler@0.2.0#handle") (param $request i32) (param $out i32)
    (local $path i32) (local $size i32) (local $bucket i32) (local $response i32) (local $body i32) (local $stream i32)
    ;; Results are written to 0: whether there is one, then what it is.
    (call $path (local.get $request) (i32.const 0))
    (local.set $path (i32.load (i32.const 4)))
    (local.set $size (i32.load (i32.const 8)))

    (call $open (i32.const 1024) (i32.const 6) (i32.const 0))
    (if (i32.load8_u (i32.const 0)) (then (unreachable)))
    (local.set $bucket (i32.load (i32.const 4)))
    (call $increment (local.get $bucket) (local.get $path) (local.get $size) (i64.const 1) (i32.const 0))
    (call $get (local.get $bucket) (local.get $path) (local.get $size) (i32.const 32))

    (local.set $response (call $response (call $fields)))
    (call $response_body (local.get $response) (i32.const 0))
    (local.set $body (i32.load (i32.const 4)))
    (call $set (local.get $out) (i32.const 0) (local.get $response)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))

    (call $body_write (local.get $body) (i32.const 0))
    (local.set $stream (i32.load (i32.const 4)))
    (call $say (local.get $stream) (i32.load (i32.const 40)) (i32.load (i32.const 44)) (i32.const 0))
    (call $say (local.get $stream) (i32.const 1030) (i32.const 11) (i32.const 0))
    (call $say (local.get $stream) (local.get $path) (local.get $size) (i32.const 0))
    (call $say (local.get $stream) (i32.const 1041) (i32.const 1) (i32.const 0))
    (call $stream_drop (local.get $stream))
    (call $body_finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 0))))
