;; `my-service`: answers what `test:links/wild` makes of the request.
(component
  (import "test:links/wild@0.1.0" (instance $wild
    (export "must" (func (param "what" string) (result string)))))
  (core module $mem
    (memory (export "memory") 1)
    (global $at (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $here i32)
      (local.set $here (global.get $at))
      (global.set $at (i32.add (global.get $at) (local.get 3)))
      (local.get $here)))
  (core instance $mem (instantiate $mem))
  (core func $must (canon lower (func $wild "must")
    (memory (core memory $mem "memory")) (realloc (core func $mem "realloc"))))
  (core module $m
    (import "wild" "must" (func $must (param i32 i32 i32)))
    (import "mem" "memory" (memory 1))
    (func (export "handle-request") (param i32 i32) (result i32)
      (call $must (local.get 0) (local.get 1) (i32.const 8))
      (i32.const 8)))
  (core instance $i (instantiate $m
    (with "wild" (instance (export "must" (func $must))))
    (with "mem" (instance $mem))))
  (func $handle (param "req" string) (result string)
    (canon lift (core func $i "handle-request")
      (memory (core memory $mem "memory")) (realloc (core func $mem "realloc"))))
  (export "handle-request" (func $handle)))
