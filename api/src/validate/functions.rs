//! The CEL environment of the rules: the standard library, the strings extension, and those functions of
//! Kubernetes' CEL library that the rules use.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelInt, CelString};
use cel::{Env, ExecutionError, extensions};

use crate::Quantity;

static ENVIRONMENT: LazyLock<Result<Arc<Env>, String>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    declare(&mut env).map_err(|error| error.to_string())?;
    Ok(Arc::new(env))
});

/// The environment that rules are compiled for and evaluated in.
pub(super) fn environment() -> Result<Arc<Env>, String> {
    ENVIRONMENT.clone()
}

fn declare(env: &mut Env) -> Result<(), cel::DeclarationError> {
    env.add_extension(extensions::strings)?;
    cel::add_overload!(env, fn is_ip: (CelString) -> CelBool, name = "isIP")?;
    cel::add_overload!(env, fn is_cidr: (CelString) -> CelBool, name = "isCIDR")?;
    cel::add_overload!(env, fn quantity: (CelString) -> Result<CelInt>)?;
    cel::add_member_overload!(env, fn compare_to: (CelInt, CelInt) -> CelInt, name = "compareTo")?;
    Ok(())
}

/// As Kubernetes parses addresses: no zone, and no IPv4 address in IPv6's clothes.
fn address(text: &str) -> Option<IpAddr> {
    match text.parse().ok()? {
        IpAddr::V6(address) if address.to_ipv4_mapped().is_some() => None,
        address => Some(address),
    }
}

fn is_ip(text: &CelString<'_>) -> CelBool {
    address(text.inner()).is_some().into()
}

fn is_cidr(text: &CelString<'_>) -> CelBool {
    let range = text.inner().split_once('/').and_then(|(start, bits)| {
        let most = if address(start)?.is_ipv4() {
            Ipv4Addr::BITS as usize
        } else {
            128
        };
        // Digits alone and no leading zero, as Go's netip has it.
        let plain = bits == "0" || (!bits.starts_with('0') && bits.bytes().all(|b| b.is_ascii_digit()));
        (plain && bits.parse::<usize>().ok()? <= most).then_some(())
    });
    range.is_some().into()
}

/// Kubernetes' quantity is a type of its own; to compare two, their bytes suffice.
fn quantity(text: &CelString<'_>) -> Result<CelInt, ExecutionError> {
    let quantity: Quantity = text
        .inner()
        .parse()
        .map_err(|error| ExecutionError::function_error("quantity", error))?;
    let bytes =
        i64::try_from(quantity.bytes()).map_err(|error| ExecutionError::function_error("quantity", error))?;
    Ok(bytes.into())
}

fn compare_to(one: &CelInt, other: &CelInt) -> CelInt {
    (one.inner().cmp(other.inner()) as i64).into()
}
