;; Traps in the start function of its core module, before any export can be called. No limit: the request that asked for
;; the instance fails, and nothing else does.
(component
  (core module $m
    (memory (export "memory") 1)
    (func $start unreachable)
    (start $start)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32) i32.const 16))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
