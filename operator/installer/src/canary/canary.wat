;; A command that has nothing to do, and does it: `wasi:cli/run` without imports. That it ends with 0 takes the whole way from
;; containerd's image store through the compiler to a worker.
(component
  (core module $module
    (func (export "run") (result i32) (i32.const 0)))
  (core instance $instance (instantiate $module))
  (func $run (result (result)) (canon lift (core func $instance "run")))
  (instance $exports (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $exports)))
