;; Answers HTTP never, and imports an interface with a resource of its own: what can't cross from one service to another.
(component
  (import "test:links/handles@0.1.0" (instance
    (export "file" (type (sub resource)))
    (export "open" (func (param "names" (list string)) (result (result (own 0)))))))
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func $f (canon lift (core func $i "f")))
  (export "run" (func $f)))
