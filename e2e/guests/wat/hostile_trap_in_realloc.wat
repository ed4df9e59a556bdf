;; Traps where the host asks for room to put the request. No limit: that request fails.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "handle") (param i32 i32) (result i32) i32.const 16))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
