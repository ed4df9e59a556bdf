//! Types as WIT writes them, for errors.

use wasmtime::component::Type;
use wasmtime::component::types::ComponentFunc;

/// How deep types are written out: as deep as anybody reads.
const DEPTH: usize = 6;

/// `check: func(token: string) -> bool`
pub(crate) fn function(name: &str, function: &ComponentFunc) -> String {
    let params: Vec<_> = function
        .params()
        .map(|(name, ty)| format!("{name}: {}", text(&ty)))
        .collect();
    let result = function
        .results()
        .next()
        .map_or_else(String::new, |ty| format!(" -> {}", text(&ty)));
    let kind = if function.async_() { "async func" } else { "func" };
    format!("{name}: {kind}({}){result}", params.join(", "))
}

/// A type, written out.
pub(crate) fn text(ty: &Type) -> String {
    at(ty, DEPTH)
}

fn at(ty: &Type, depth: usize) -> String {
    let Some(depth) = depth.checked_sub(1) else {
        return "…".to_owned();
    };
    let inner = |ty: &Type| at(ty, depth);
    let list = |items: Vec<String>| items.join(", ");
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::S8 => "s8".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::S16 => "s16".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::S32 => "s32".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::Float32 => "f32".to_owned(),
        Type::Float64 => "f64".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "string".to_owned(),
        Type::List(it) => format!("list<{}>", inner(&it.ty())),
        Type::Option(it) => format!("option<{}>", inner(&it.ty())),
        Type::Tuple(it) => format!("tuple<{}>", list(it.types().map(|ty| inner(&ty)).collect())),
        Type::Record(it) => {
            let fields = it
                .fields()
                .map(|field| format!("{}: {}", field.name, inner(&field.ty)));
            format!("record {{ {} }}", list(fields.collect()))
        }
        Type::Variant(it) => {
            let cases = it.cases().map(|case| match &case.ty {
                Some(ty) => format!("{}({})", case.name, inner(ty)),
                None => case.name.to_owned(),
            });
            format!("variant {{ {} }}", list(cases.collect()))
        }
        Type::Enum(it) => format!("enum {{ {} }}", list(it.names().map(str::to_owned).collect())),
        Type::Flags(it) => format!("flags {{ {} }}", list(it.names().map(str::to_owned).collect())),
        Type::Result(it) => match (it.ok(), it.err()) {
            (None, None) => "result".to_owned(),
            (Some(ok), None) => format!("result<{}>", inner(&ok)),
            (ok, Some(err)) => {
                let ok = ok.map_or_else(|| "_".to_owned(), |ok| inner(&ok));
                format!("result<{ok}, {}>", inner(&err))
            }
        },
        Type::Own(_) => "own<resource>".to_owned(),
        Type::Borrow(_) => "borrow<resource>".to_owned(),
        Type::Stream(_) => "stream".to_owned(),
        Type::Future(_) => "future".to_owned(),
        Type::ErrorContext => "error-context".to_owned(),
        _ => "another type".to_owned(),
    }
}
