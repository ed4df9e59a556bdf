;; Grows a table a million elements at a time, for as long as that works: memory that no linear memory accounts for. The
;; memory limit must stop it, by a trap or by -1; then it answers "held".
(component
  (core module $m
    (memory (export "memory") 1)
    (table $t 1 funcref)
    (data (i32.const 32) "held\n")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32)
      (loop $again
        (br_if $again (i32.ne (table.grow $t (ref.null func) (i32.const 1000000)) (i32.const -1))))
      (i32.store (i32.const 16) (i32.const 32))
      (i32.store (i32.const 20) (i32.const 5))
      i32.const 16))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
