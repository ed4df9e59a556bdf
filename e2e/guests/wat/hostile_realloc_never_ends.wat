;; Loops where the host asks for room to put the request: guest code in the midst of a copy by the host. cpuTime must
;; stop it.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (loop $again br $again) unreachable)
    (func (export "handle") (param i32 i32) (result i32) i32.const 16))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
