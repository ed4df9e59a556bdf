;; Consists of a billion core instances, in a file of a kilobyte, by components that hold ten of each other: the
;; compiler unfolds them. The compile process's limits on memory and time must stop it.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32) i32.const 16))
  (component $ten
    (core module $small (func))
    (core instance (instantiate $small)) (core instance (instantiate $small))
    (core instance (instantiate $small)) (core instance (instantiate $small))
    (core instance (instantiate $small)) (core instance (instantiate $small))
    (core instance (instantiate $small)) (core instance (instantiate $small))
    (core instance (instantiate $small)) (core instance (instantiate $small)))
  (component $hundred
    (alias outer 1 $ten (component $ten))
    (instance (instantiate $ten)) (instance (instantiate $ten)) (instance (instantiate $ten))
    (instance (instantiate $ten)) (instance (instantiate $ten)) (instance (instantiate $ten))
    (instance (instantiate $ten)) (instance (instantiate $ten)) (instance (instantiate $ten)) (instance (instantiate $ten)))
  (component $thousand
    (alias outer 1 $hundred (component $hundred))
    (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
    (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
    (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred)))
  (component $e4
    (alias outer 1 $thousand (component $thousand))
    (instance (instantiate $thousand)) (instance (instantiate $thousand)) (instance (instantiate $thousand))
    (instance (instantiate $thousand)) (instance (instantiate $thousand)) (instance (instantiate $thousand))
    (instance (instantiate $thousand)) (instance (instantiate $thousand)) (instance (instantiate $thousand)) (instance (instantiate $thousand)))
  (component $e5
    (alias outer 1 $e4 (component $e4))
    (instance (instantiate $e4)) (instance (instantiate $e4)) (instance (instantiate $e4))
    (instance (instantiate $e4)) (instance (instantiate $e4)) (instance (instantiate $e4))
    (instance (instantiate $e4)) (instance (instantiate $e4)) (instance (instantiate $e4)) (instance (instantiate $e4)))
  (component $e6
    (alias outer 1 $e5 (component $e5))
    (instance (instantiate $e5)) (instance (instantiate $e5)) (instance (instantiate $e5))
    (instance (instantiate $e5)) (instance (instantiate $e5)) (instance (instantiate $e5))
    (instance (instantiate $e5)) (instance (instantiate $e5)) (instance (instantiate $e5)) (instance (instantiate $e5)))
  (component $e7
    (alias outer 1 $e6 (component $e6))
    (instance (instantiate $e6)) (instance (instantiate $e6)) (instance (instantiate $e6))
    (instance (instantiate $e6)) (instance (instantiate $e6)) (instance (instantiate $e6))
    (instance (instantiate $e6)) (instance (instantiate $e6)) (instance (instantiate $e6)) (instance (instantiate $e6)))
  (component $e8
    (alias outer 1 $e7 (component $e7))
    (instance (instantiate $e7)) (instance (instantiate $e7)) (instance (instantiate $e7))
    (instance (instantiate $e7)) (instance (instantiate $e7)) (instance (instantiate $e7))
    (instance (instantiate $e7)) (instance (instantiate $e7)) (instance (instantiate $e7)) (instance (instantiate $e7)))
  (instance (instantiate $e8)) (instance (instantiate $e8)) (instance (instantiate $e8))
  (instance (instantiate $e8)) (instance (instantiate $e8)) (instance (instantiate $e8))
  (instance (instantiate $e8)) (instance (instantiate $e8)) (instance (instantiate $e8)) (instance (instantiate $e8))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
