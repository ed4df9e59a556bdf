;; Exports `test:links/calls` in a version that is not compatible with what its callers import.
(component
  (core module $m (func (export "add") (param i32 i32) (result i32) local.get 0))
  (core instance $i (instantiate $m))
  (func $add (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add")))
  (instance $calls (export "add" (func $add)))
  (export "test:links/calls@0.3.0" (instance $calls)))
