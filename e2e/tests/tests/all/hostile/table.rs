//! A row for each hostile guest: what it is granted, how it is asked, how that must end, and what the log must say.

use super::special::Special;

/// How a guest is asked.
#[derive(Clone, Copy)]
pub(super) enum Ask {
    /// GET of a path and query.
    Get(&'static str),
    /// POST of a body to `/`.
    Post(&'static str),
}

/// How that must end.
#[derive(Clone, Copy)]
pub(super) enum End {
    /// With a complete answer of this status, which holds this text.
    Answer(u16, &'static str),
    /// With a 200 that begins with this text and is cut off.
    Cut(&'static str),
    /// With a 500, or cut off: the head may have been on its way, or not.
    Failed,
    /// As [`End::Failed`], or with a complete answer of this text: it was on its way already, or not.
    Either(&'static str),
    /// Before it starts: `shoal up` exits with 1 and says this.
    Refused(&'static [&'static str]),
    /// In a way of its own.
    Special(Special),
}

/// One guest.
pub(super) struct Row {
    pub(super) guest: &'static str,
    /// Fields of its component, as JSON.
    pub(super) fields: &'static str,
    pub(super) ask: Ask,
    pub(super) end: End,
    /// What the log must say of it.
    pub(super) says: &'static [&'static str],
}

const KV: &str = r#"{"capabilities": {"keyValue": [{"name": "default", "store": "data"}]}}"#;
const KV_AND_MEMORY: &str = r#"{"capabilities": {"keyValue": [{"name": "default", "store": "data"}]}, "limits": {"memory": "128Mi", "cpuTime": "3s", "requestTimeout": "10s"}}"#;
const FILES: &str = r#"{"capabilities": {"filesystem": [{"volume": "inside", "mountPath": "/data", "readOnly": false}]}, "limits": {"cpuTime": "3s"}}"#;
const TCP: &str = r#"{"capabilities": {"network": {"outbound": [{"host": "127.0.0.1", "ports": [TCP_PORT], "protocols": ["TCP", "UDP"]}]}}}"#;
const HTTP: &str = r#"{"capabilities": {"network": {"outbound": [{"host": "127.0.0.1", "ports": [HTTP_PORT]}]}}, "limits": {"requestTimeout": "10s", "cpuTime": "3s"}}"#;
const IDLE: &str = r#"{"limits": {"streamIdleTimeout": "2s"}}"#;
/// Time enough for a copy of a hundred megabytes.
const TIME: &str = r#"{"limits": {"requestTimeout": "30s", "cpuTime": "30s"}}"#;

const fn row(
    guest: &'static str,
    fields: &'static str,
    ask: Ask,
    end: End,
    says: &'static [&'static str],
) -> Row {
    Row {
        guest,
        fields,
        ask,
        end,
        says,
    }
}

const GET: Ask = Ask::Get("/");
const CPU: End = End::Answer(500, "limits.cpuTime: the instance used more than the 300ms");
const LATE: End = End::Answer(504, "limits.requestTimeout: no answer within 2s");
const MEMORY: End = End::Answer(500, "limits.memory");
const TRAP: End = End::Answer(500, "the component trapped");
const ENDED: End = End::Answer(500, "the component ended");
const HELD: End = End::Answer(200, "held");

/// Every path was refused, and some were tried.
const CLOSED: End = End::Answer(200, "held\nrefused open");

const SAYS_FIELDS: &[&str] = &["total size of fields exceeds limit"];
pub(super) const SAYS_CPU: &[&str] = &["limits.cpuTime"];
const SAYS_LATE: &[&str] = &["limits.requestTimeout"];
const SAYS_MEMORY: &[&str] = &["limits.memory"];
const SAYS_HANDLES: &[&str] = &["1024 handles"];
const SAYS_BODY: &[&str] = &["limits.responseBody"];
const SAYS_CONNECTIONS: &[&str] = &["limits.outboundConnections"];

pub(super) const TABLE: &[Row] = &[
    // Computing without end, in the guest and in the host.
    row("hostile_endless_loop", "{}", GET, CPU, SAYS_CPU),
    row("hostile_p3_endless_loop", "{}", GET, CPU, SAYS_CPU),
    row("hostile_clock_spin", "{}", GET, CPU, SAYS_CPU),
    row(
        "hostile_bulk_memory",
        r#"{"limits": {"memory": "64Mi"}}"#,
        GET,
        CPU,
        SAYS_CPU,
    ),
    row("hostile_endless_host_calls", "{}", GET, CPU, SAYS_CPU),
    row("hostile_host_copy_loop", "{}", GET, CPU, SAYS_CPU),
    row("hostile_poll_ready", "{}", GET, CPU, SAYS_CPU),
    row("hostile_start_never_ends", "{}", GET, CPU, SAYS_CPU),
    row(
        "hostile_realloc_never_ends",
        "{}",
        Ask::Post("text"),
        CPU,
        SAYS_CPU,
    ),
    row("hostile_post_return_never_ends", "{}", GET, CPU, SAYS_CPU),
    row(
        "hostile_answers_then_loops",
        "{}",
        GET,
        End::Answer(200, "answered\n"),
        SAYS_CPU,
    ),
    // Waiting without end.
    row("hostile_wait_for_ever", "{}", GET, LATE, SAYS_LATE),
    row("hostile_p3_wait_for_ever", "{}", GET, LATE, SAYS_LATE),
    row(
        "hostile_never_finishes",
        IDLE,
        GET,
        End::Cut("the rest\n"),
        &["limits.streamIdleTimeout"],
    ),
    row(
        "hostile_trickle",
        r#"{"limits": {"responseBody": "20"}}"#,
        GET,
        End::Cut("..."),
        SAYS_BODY,
    ),
    row(
        "hostile_p3_task_never_ends",
        "{}",
        GET,
        End::Answer(200, ""),
        SAYS_LATE,
    ),
    row(
        "hostile_never_reads_never_answers",
        "{}",
        GET,
        End::Special(Special::StuckUpload),
        SAYS_LATE,
    ),
    row(
        "hostile_never_reads_request",
        "{}",
        GET,
        End::Special(Special::UnreadUpload),
        &[],
    ),
    // Memory and tables.
    row("hostile_memory_bomb", "{}", GET, MEMORY, SAYS_MEMORY),
    row(
        "hostile_memory_bomb_fast",
        "{}",
        GET,
        End::Special(Special::MemoryHeld),
        &[],
    ),
    row("hostile_memory_minimum", "{}", GET, MEMORY, SAYS_MEMORY),
    row(
        "hostile_two_memories_share",
        "{}",
        GET,
        End::Special(Special::PagesHeld),
        &[],
    ),
    row(
        "hostile_many_memories",
        "{}",
        GET,
        End::Refused(&["component web", "memories"]),
        &[],
    ),
    row(
        "hostile_many_instances",
        "{}",
        GET,
        End::Refused(&["component web", "instances"]),
        &[],
    ),
    row("hostile_table_bomb", "{}", GET, HELD, &[]),
    row(
        "hostile_table_minimum",
        "{}",
        GET,
        End::Refused(&["component web", "table", "exceeds the limit of 20000"]),
        &[],
    ),
    row(
        "hostile_huge_string",
        "{}",
        GET,
        End::Answer(500, "limits.responseBody"),
        SAYS_BODY,
    ),
    // What the host holds for a guest.
    row("hostile_leaked_handles", "{}", GET, ENDED, SAYS_HANDLES),
    row("hostile_leaked_fields", "{}", GET, ENDED, SAYS_FIELDS),
    row("hostile_leaked_timers", "{}", GET, ENDED, SAYS_HANDLES),
    row("hostile_poll_many", "{}", GET, ENDED, SAYS_HANDLES),
    row(
        "hostile_poll_duplicates",
        "{}",
        GET,
        ENDED,
        &["handle limit exceeded"],
    ),
    row(
        "hostile_p3_leaked_streams",
        "{}",
        GET,
        ENDED,
        &["handle limit exceeded"],
    ),
    row(
        "hostile_p3_subtasks",
        TIME,
        GET,
        ENDED,
        &["handle limit exceeded"],
    ),
    row(
        "hostile_random_huge",
        "{}",
        GET,
        ENDED,
        &["random bytes asked for in one call; 4194304 are allowed"],
    ),
    row(
        "hostile_kv_flood",
        KV_AND_MEMORY,
        GET,
        End::Answer(200, "held after"),
        &[],
    ),
    row("hostile_kv_huge", KV_AND_MEMORY, GET, HELD, &[]),
    // Answers.
    row("hostile_huge_response", "{}", GET, End::Cut("xxx"), SAYS_BODY),
    row("hostile_p3_huge_response", "{}", GET, End::Cut("xxx"), SAYS_BODY),
    row("hostile_huge_header", "{}", GET, ENDED, SAYS_FIELDS),
    row("hostile_many_headers", "{}", GET, ENDED, SAYS_FIELDS),
    row("hostile_huge_trailers", "{}", GET, ENDED, SAYS_FIELDS),
    row("hostile_header_injection", "{}", GET, HELD, &[]),
    row(
        "hostile_content_length_long",
        "{}",
        GET,
        End::Special(Special::ForgedAnswer),
        &[],
    ),
    row("hostile_content_length_short", "{}", GET, End::Failed, &[]),
    row(
        "hostile_never_answers",
        "{}",
        GET,
        End::Answer(500, "without an answer"),
        &["without an answer"],
    ),
    row("hostile_exit_in_handler", "{}", GET, ENDED, &["exit(0)"]),
    // Logs.
    row(
        "hostile_log_flood",
        "{}",
        GET,
        CPU,
        &["limits.cpuTime", "limits.logRate"],
    ),
    row(
        "hostile_log_line_huge",
        TIME,
        GET,
        End::Special(Special::CutLine),
        &[],
    ),
    row(
        "hostile_log_escapes",
        "{}",
        GET,
        End::Special(Special::EscapedLines),
        &[],
    ),
    // Traps in every phase.
    row("hostile_trap_in_start", "{}", GET, TRAP, &["unreachable"]),
    row(
        "hostile_trap_in_realloc",
        "{}",
        Ask::Post("text"),
        TRAP,
        &["unreachable"],
    ),
    row("hostile_trap_in_handler", "{}", GET, TRAP, &["unreachable"]),
    row("hostile_trap_mid_body", "{}", GET, End::Failed, &["unreachable"]),
    row(
        "hostile_trap_after_answer",
        "{}",
        GET,
        End::Either("answered\n"),
        &["unreachable"],
    ),
    row("hostile_trap_in_post_return", "{}", GET, TRAP, &["unreachable"]),
    row("hostile_divide_by_zero", "{}", GET, TRAP, &["divide by zero"]),
    row(
        "hostile_oob_memory",
        "{}",
        GET,
        TRAP,
        &["out of bounds memory access"],
    ),
    row(
        "hostile_deep_recursion",
        "{}",
        GET,
        TRAP,
        &["call stack exhausted"],
    ),
    row(
        "hostile_recursion_into_host",
        KV,
        GET,
        TRAP,
        &["call stack exhausted"],
    ),
    // Lies in the canonical ABI.
    row(
        "hostile_realloc_lies",
        "{}",
        Ask::Post("text"),
        End::Failed,
        &["realloc"],
    ),
    row("hostile_string_not_utf8", "{}", GET, End::Failed, &["utf-8"]),
    row(
        "hostile_string_out_of_bounds",
        "{}",
        GET,
        End::Failed,
        &["out of bounds"],
    ),
    // Beyond the grants.
    row("hostile_env_probe", "{}", GET, HELD, &[]),
    row("hostile_path_escape_dotdot", FILES, GET, CLOSED, &[]),
    row("hostile_path_escape_absolute", FILES, GET, CLOSED, &[]),
    row(
        "hostile_path_escape_symlink",
        FILES,
        Ask::Get("/?link=laid-absolute/passwd&link=laid-up&link=laid-chain"),
        CLOSED,
        &[],
    ),
    row(
        "hostile_sockets_import",
        TCP,
        Ask::Get("/?addr=FORBIDDEN"),
        HELD,
        &["is not granted"],
    ),
    row(
        "hostile_sockets_made",
        TCP,
        GET,
        End::Answer(200, "held after"),
        SAYS_CONNECTIONS,
    ),
    row(
        "hostile_outgoing_tcp",
        TCP,
        Ask::Get("/?addr=127.0.0.1:TCP_PORT"),
        End::Answer(200, "held after"),
        SAYS_CONNECTIONS,
    ),
    row(
        "hostile_outgoing_http",
        HTTP,
        GET,
        End::Special(Special::Requests),
        SAYS_CONNECTIONS,
    ),
    // With a compiler that has a few seconds where the real one has two minutes.
    row(
        "hostile_compile_bomb",
        "{}",
        GET,
        End::Refused(&["component web", "compiling it takes more than"]),
        &[],
    ),
];
