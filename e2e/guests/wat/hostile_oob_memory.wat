;; Reads at the far end of the address space of a memory of one page: a trap by way of a guard page. No limit: that
;; request fails.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32) (i32.load offset=0xfffffff0 (i32.const 0xfffffff0))))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
