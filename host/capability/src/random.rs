//! `wasi:random`, 0.2 and 0.3. All of it comes from the thread's generator, which the kernel seeds: an instance then costs nothing
//! until it asks, where a generator for each would be seeded for each request.

use rand::RngExt as _;
use wasmtime::component::HasData;
use wasmtime_wasi::p2::bindings::random as p2;
use wasmtime_wasi::p3::bindings::random as p3;

/// Bytes that one call may ask for. The host makes them before the guest's memory limit sees them.
pub(crate) const MAX_BYTES: u64 = 4 << 20;

pub(crate) struct HasRandom;

impl HasData for HasRandom {
    type Data<'a> = Random;
}

pub(crate) struct Random;

/// The seed of `insecure-seed`: it stays the same for as long as an instance lives, and is drawn when it is first asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seed(Option<(u64, u64)>);

impl Seed {
    fn get(&mut self) -> (u64, u64) {
        *self.0.get_or_insert_with(rand::random)
    }
}

pub(crate) struct HasSeed;

impl HasData for HasSeed {
    type Data<'a> = &'a mut Seed;
}

fn bytes(length: u64) -> Vec<u8> {
    // At most MAX_BYTES, which fits.
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    rand::rng().fill(bytes.as_mut_slice());
    bytes
}

/// 0.2 has no way to return fewer bytes than asked for, so the call traps.
fn exactly(length: u64) -> wasmtime::Result<Vec<u8>> {
    if length > MAX_BYTES {
        wasmtime::bail!("wasi:random: {length} random bytes asked for in one call; {MAX_BYTES} are allowed");
    }
    Ok(bytes(length))
}

impl p2::random::Host for Random {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        exactly(length)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(rand::random())
    }
}

impl p2::insecure::Host for Random {
    fn get_insecure_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        exactly(length)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(rand::random())
    }
}

impl p2::insecure_seed::Host for Seed {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok(self.get())
    }
}

impl p3::random::Host for Random {
    fn get_random_bytes(&mut self, max: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(bytes(max.min(MAX_BYTES)))
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(rand::random())
    }
}

impl p3::insecure::Host for Random {
    fn get_insecure_random_bytes(&mut self, max: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(bytes(max.min(MAX_BYTES)))
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(rand::random())
    }
}

impl p3::insecure_seed::Host for Seed {
    fn get_insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok(self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_stays_the_same_in_both_versions_and_differs_from_another() {
        let (mut seed, mut other) = (Seed::default(), Seed::default());
        let first = p2::insecure_seed::Host::insecure_seed(&mut seed).expect("a seed");
        assert_eq!(
            p2::insecure_seed::Host::insecure_seed(&mut seed).expect("a seed"),
            first
        );
        assert_eq!(
            p3::insecure_seed::Host::get_insecure_seed(&mut seed).expect("a seed"),
            first
        );
        assert_ne!(other.get(), first);
    }

    #[test]
    fn huge_lengths_are_bounded() {
        let refused = p2::random::Host::get_random_bytes(&mut Random, u64::MAX).expect_err("too much");
        assert!(refused.to_string().contains("4194304 are allowed"), "{refused}");
        let short = p3::random::Host::get_random_bytes(&mut Random, u64::MAX).expect("0.3 may return less");
        assert_eq!(short.len() as u64, MAX_BYTES);
        assert_eq!(
            p2::random::Host::get_random_bytes(&mut Random, 33)
                .expect("a few")
                .len(),
            33
        );
    }
}
