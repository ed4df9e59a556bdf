;; Loops in the start function of its core module, before any export can be called. cpuTime must stop it, while it is
;; being instantiated.
(component
  (core module $m
    (memory (export "memory") 1)
    (func $start (loop $again br $again))
    (start $start)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32) i32.const 16))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
