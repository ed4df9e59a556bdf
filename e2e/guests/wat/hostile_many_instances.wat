;; Consists of ten thousand core instances without memory or tables, by components that hold ten of each other. The
;; number of core instances that a component may have must stop it.
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
    (instance (instantiate $ten)) (instance (instantiate $ten)) (instance (instantiate $ten))
    (instance (instantiate $ten)))
  (component $thousand
    (alias outer 1 $hundred (component $hundred))
    (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
    (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
    (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
    (instance (instantiate $hundred)))
  (instance (instantiate $thousand)) (instance (instantiate $thousand)) (instance (instantiate $thousand))
  (instance (instantiate $thousand)) (instance (instantiate $thousand)) (instance (instantiate $thousand))
  (instance (instantiate $thousand)) (instance (instantiate $thousand)) (instance (instantiate $thousand))
  (instance (instantiate $thousand))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
