;; A core module of WASI preview 1 whose allocator takes every page that it grows for its own: the host may neither grow the memory
;; behind its back nor write to a page that it was not told to write to. Traps where one of these happens. Prints "mine", exits with 3.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "mine\n")
  (func $check (param $true i32)
    (if (i32.eqz (local.get $true)) (then unreachable)))
  (func (export "_start")
    (local $at i32)
    (call $check (i32.eqz (call $args (i32.const 0) (i32.const 4))))
    ;; One page before, so what it grew begins at 65536.
    (call $check (i32.eq (memory.grow (i32.const 2)) (i32.const 1)))
    (memory.fill (i32.const 65536) (i32.const 0x55) (i32.const 131072))
    (call $check (i32.eqz (call $time (i32.const 0) (i64.const 1) (i32.const 24))))
    (i32.store (i32.const 8) (i32.const 64))
    (i32.store (i32.const 12) (i32.const 5))
    (call $check (i32.eqz (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))
    (call $check (i32.eq (memory.size) (i32.const 3)))
    (local.set $at (i32.const 65536))
    (loop $next
      (call $check (i32.eq (i32.load8_u (local.get $at)) (i32.const 0x55)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 196608))))
    (call $exit (i32.const 3))))
