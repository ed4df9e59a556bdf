;; Grows two memories in turns, a page at a time: each alone stays far below a limit that both together break. The
;; memory limit must stop it, counting the sum; then it answers "held <pages>" with the sum in pages, six digits.
(component
  (core module $m
    (memory $a (export "memory") 1)
    (memory $b 1)
    (data (i32.const 32) "held 000000 pages\n")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32)
      (local $sum i32) (local $at i32)
      (block $full
        (loop $again
          (br_if $full (i32.eq (memory.grow $a (i32.const 1)) (i32.const -1)))
          (br_if $full (i32.eq (memory.grow $b (i32.const 1)) (i32.const -1)))
          (br $again)))
      (local.set $sum (i32.add (memory.size $a) (memory.size $b)))
      (local.set $at (i32.const 42))
      (loop $digit
        (i32.store8 $a (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $sum) (i32.const 10))))
        (local.set $sum (i32.div_u (local.get $sum) (i32.const 10)))
        (local.set $at (i32.sub (local.get $at) (i32.const 1)))
        (br_if $digit (i32.ge_u (local.get $at) (i32.const 37))))
      (i32.store $a (i32.const 16) (i32.const 32))
      (i32.store $a (i32.const 20) (i32.const 18))
      i32.const 16))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
