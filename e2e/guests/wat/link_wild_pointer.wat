;; Exports `test:links/calls`, and answers every string from where its caller has its own memory: far outside of this one's.
(component
  (type $person' (record (field "name" string) (field "age" u32)))
  (type $outcome' (variant (case "found" $person') (case "unknown")))
  (core module $m
    (memory (export "memory") 1)
    (global $at (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $here i32)
      (local.set $here (global.get $at))
      (global.set $at (i32.add (global.get $at) (local.get 3)))
      (local.get $here))
    (func (export "must") (param i32 i32) (result i32)
      ;; A pointer and a length at address 0: beyond the one page that there is.
      (i32.store (i32.const 0) (i32.const 0x100000))
      (i32.store (i32.const 4) (i32.const 4096))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $must (param "what" string) (result string)
    (canon lift (core func $i "must") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (instance $calls (export "must" (func $must)))
  (export "test:links/wild@0.1.0" (instance $calls)))
