;; Consists of a thousand instances with a memory of a page each, 64 MiB in all, by components that hold ten of each
;; other. The memory limit must stop it: its sum, or the number of memories that an instance may have.
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
    (func (export "handle") (param i32 i32) (result i32) i32.const 16))
  (component $ten
    (core module $small (memory 1))
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
  (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
  (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
  (instance (instantiate $hundred)) (instance (instantiate $hundred)) (instance (instantiate $hundred))
  (instance (instantiate $hundred))
  (core instance $i (instantiate $m))
  (func (export "handle-request") (param "req" string) (result string)
    (canon lift (core func $i "handle") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))
