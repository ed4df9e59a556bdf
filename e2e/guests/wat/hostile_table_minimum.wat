;; Declares a table of fifty million elements, 400 MB, from the start. The memory limit must stop it, before the first
;; request or at it.
(component
  (core module $m
    (memory (export "memory") 1)
    (table 50000000 funcref)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32) i32.const 16))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
