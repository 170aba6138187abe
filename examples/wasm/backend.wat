;; A client of a TCP backend, in the `handle` ABI: connects to what the variable "/env/backend" says, sends it the
;; method of its request and a line end, and answers with what comes back, up to 32 KiB. 502 when it cannot connect.
;; `bun examples/wasm/build.ts` makes backend.wasm of it.
(module
  (import "env" "memory" (memory 1))
  (import "env" "response_set_status_line" (func $status (param i32 i32 i64)))
  (import "env" "response_set_body" (func $body (param i32 i64)))
  (import "env" "request_method" (func $method (param i32 i64) (result i64)))
  (import "env" "db_get" (func $db_get (param i32 i64 i32 i64) (result i64)))
  (import "env" "tcp_connect" (func $connect (param i32 i64) (result i32)))
  (import "env" "tcp_read" (func $read (param i32 i32 i64) (result i64)))
  (import "env" "tcp_write" (func $write (param i32 i32 i64) (result i64)))
  (data (i32.const 0) "/env/backend")
  (data (i32.const 16) "Bad Gateway")
  (func $fail
    (call $status (i32.const 502) (i32.const 16) (i64.const 11)))
  (func (export "handle")
    (local $size i64) (local $socket i32) (local $end i32)
    (local.set $size (call $db_get (i32.const 0) (i64.const 12) (i32.const 256) (i64.const 256)))
    (if (i64.lt_s (local.get $size) (i64.const 1)) (then (call $fail) (return)))
    (local.set $socket (call $connect (i32.const 256) (local.get $size)))
    (if (i32.lt_s (local.get $socket) (i32.const 0)) (then (call $fail) (return)))
    (local.set $size (call $method (i32.const 512) (i64.const 32)))
    (i32.store8 (i32.add (i32.const 512) (i32.wrap_i64 (local.get $size))) (i32.const 10))
    (drop (call $write (local.get $socket) (i32.const 512) (i64.add (local.get $size) (i64.const 1))))
    (local.set $end (i32.const 1024))
    (loop $more
      (local.set $size (call $read (local.get $socket) (local.get $end)
        (i64.extend_i32_u (i32.sub (i32.const 33792) (local.get $end)))))
      (if (i64.gt_s (local.get $size) (i64.const 0))
        (then
          (local.set $end (i32.add (local.get $end) (i32.wrap_i64 (local.get $size))))
          (br_if $more (i32.lt_u (local.get $end) (i32.const 33792))))))
    (call $body (i32.const 1024) (i64.extend_i32_u (i32.sub (local.get $end) (i32.const 1024))))))
