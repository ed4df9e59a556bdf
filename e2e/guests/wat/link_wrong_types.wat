;; Exports `test:links/calls` with other types than its callers know: `add` takes 64 bits, and the rest is not there.
(component
  (core module $m (func (export "add") (param i64 i64) (result i64) local.get 0))
  (core instance $i (instantiate $m))
  (func $add (param "a" u64) (param "b" u64) (result u64) (canon lift (core func $i "add")))
  (instance $calls (export "add" (func $add)))
  (export "test:links/calls@0.2.1" (instance $calls)))
