;; A middleware of wasi:http 0.2: looks at the clock and at its directories, of which it has to have one, then hands the request to the
;; handler that it is linked to. The types of files and of HTTP, whose handles both have, bring times of wasi:clocks along.
(component
  (import "wasi:clocks/wall-clock@0.2.6" (instance $wall
    (type $d' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $d (eq $d')))
    (export "now" (func (result $d)))))
  (alias export $wall "datetime" (type $datetime))
  (import "wasi:clocks/monotonic-clock@0.2.6" (instance $monotonic
    (type $u u64)
    (export "duration" (type (eq $u)))))
  (alias export $monotonic "duration" (type $duration))
  (import "wasi:filesystem/types@0.2.6" (instance $files
    (export "descriptor" (type (sub resource)))
    (alias outer 1 $datetime (type $d))
    (export "datetime" (type (eq $d)))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.6" (instance $preopens
    (alias outer 1 $descriptor (type $d'))
    (export "descriptor" (type $d (eq $d')))
    (type $own (own $d))
    (type $directory (tuple $own string))
    (type $list (list $directory))
    (export "get-directories" (func (result $list)))))
  (import "wasi:http/types@0.2.6" (instance $http
    (export "incoming-request" (type (sub resource)))
    (export "response-outparam" (type (sub resource)))
    (alias outer 1 $duration (type $u))
    (export "duration" (type (eq $u)))))
  (alias export $http "incoming-request" (type $request))
  (alias export $http "response-outparam" (type $out))
  (import "wasi:http/incoming-handler@0.2.6" (instance $next
    (alias outer 1 $request (type $r'))
    (export "incoming-request" (type $r (eq $r')))
    (alias outer 1 $out (type $o'))
    (export "response-outparam" (type $o (eq $o')))
    (type $request (own $r))
    (type $out (own $o))
    (export "handle" (func (param "request" $request) (param "response-out" $out)))))

  (core module $memory
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    ;; Texts and lists of directories; no more than a page of them.
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $memory (instantiate $memory))
  (core func $now (canon lower (func $wall "now") (memory (core memory $memory "memory"))))
  (core func $directories (canon lower (func $preopens "get-directories")
    (memory (core memory $memory "memory")) (realloc (core func $memory "realloc"))))
  (core func $handle (canon lower (func $next "handle")))
  (core module $gate
    (import "" "memory" (memory 1))
    (import "" "now" (func $now (param i32)))
    (import "" "directories" (func $directories (param i32)))
    (import "" "handle" (func $handle (param i32 i32)))
    (func (export "handle") (param i32 i32)
      (call $now (i32.const 0))
      (call $directories (i32.const 16))
      (if (i64.eqz (i64.load (i32.const 0))) (then unreachable))
      (if (i32.ne (i32.load (i32.const 20)) (i32.const 1)) (then unreachable))
      (call $handle (local.get 0) (local.get 1))))
  (core instance $gate (instantiate $gate (with "" (instance
    (export "memory" (memory $memory "memory"))
    (export "now" (func $now))
    (export "directories" (func $directories))
    (export "handle" (func $handle))))))
  (func $own (param "request" (own $request)) (param "response-out" (own $out))
    (canon lift (core func $gate "handle")))
  (instance $handler
    (export "incoming-request" (type $request))
    (export "response-outparam" (type $out))
    (export "handle" (func $own)))
  (export "wasi:http/incoming-handler@0.2.6" (instance $handler)))
