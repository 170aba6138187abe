;; Adler-32 (RFC 1950) of the `size` bytes at 0, for the script beside this.
(module
  (memory (export "memory") 1)
  (func (export "adler32") (param $size i32) (result i32)
    (local $at i32) (local $a i32) (local $b i32)
    (local.set $a (i32.const 1))
    (block $done
      (loop $more
        (br_if $done (i32.ge_u (local.get $at) (local.get $size)))
        (local.set $a (i32.rem_u (i32.add (local.get $a) (i32.load8_u (local.get $at))) (i32.const 65521)))
        (local.set $b (i32.rem_u (i32.add (local.get $b) (local.get $a)) (i32.const 65521)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $more)))
    (i32.or (i32.shl (local.get $b) (i32.const 16)) (local.get $a))))
