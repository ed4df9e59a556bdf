;; Loops in the start function of its core module, before any export can be called. CPU time must stop it, during
;; instantiation.
(component
  (core module $m
    (func $start (loop $again (br $again)))
    (start $start))
  (core instance (instantiate $m)))
