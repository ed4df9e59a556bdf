;; Declares a memory of 4 GiB from the start. The memory limit must stop it, before the first request or at it.
(component
  (core module $m
    (memory (export "memory") 65536)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32) i32.const 16))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
