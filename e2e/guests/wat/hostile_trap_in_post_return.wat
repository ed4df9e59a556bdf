;; Answers, then traps in the function by which the host tells that it has read the answer. No limit: the answer may
;; arrive or not, and the instance must not be used again.
(component
  (core module $m
    (memory (export "memory") 1)
    (data (i32.const 32) "answered\n")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (i32.const 32))
      (i32.store (i32.const 20) (i32.const 9))
      i32.const 16)
    (func (export "post-return") (param i32) unreachable))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))
      (post-return (core func $i "post-return")))))
