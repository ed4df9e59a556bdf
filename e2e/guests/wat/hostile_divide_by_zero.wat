;; Divides by zero: a trap that the processor raises. No limit: that request fails.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32) (i32.div_s (i32.const 1) (i32.const 0))))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
