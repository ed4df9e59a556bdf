;; Calls itself for ever, on the machine stack alone. The stack limit must stop it.
(component
  (core module $m
    (memory (export "memory") 1)
    (func $dig (param i32) (result i32)
      (i32.add (call $dig (i32.add (local.get 0) (i32.const 1))) (local.get 0)))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32) (call $dig (i32.const 0))))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
