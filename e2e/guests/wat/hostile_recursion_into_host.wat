;; Calls itself for ever and the host at every level, so that the host once starts on the last bytes of the guest's
;; stack. The stack limit must stop it and leave the host room enough. Imports kv-store.
(component
  (import "shoal:service/kv-store@0.1.0" (instance $kv
    (export "get" (func (param "key" string) (result (option string))))))
  (core module $memory
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
  (core instance $memory (instantiate $memory))
  (core func $get (canon lower (func $kv "get") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core module $m
    (import "kv" "get" (func $get (param i32 i32 i32)))
    (func $dig (param i32) (result i32)
      (call $get (i32.const 32) (i32.const 1) (i32.const 64))
      (i32.add (call $dig (i32.add (local.get 0) (i32.const 1))) (local.get 0)))
    (func (export "handle") (param i32 i32) (result i32) (call $dig (i32.const 0))))
  (core instance $i (instantiate $m (with "kv" (instance (export "get" (func $get))))))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $memory "memory")) (realloc (core func $memory "realloc")))))
