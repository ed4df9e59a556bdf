//! `wasi:clocks`, 0.2 and 0.3: as coarse as the manifest says, so that a guest cannot time its neighbours. Sleeping is as precise
//! as the host.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use wasmtime::component::{Accessor, HasData, Resource, ResourceTable};
use wasmtime_wasi::p2::bindings::clocks as p2;
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi::p3::bindings::clocks as p3;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// The clocks of one instance. The monotonic one starts at its resolution when it is first read: Go's runtime takes
/// zero for a broken clock, and ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clocks {
    resolution: Duration,
    start: Option<Instant>,
}

impl Clocks {
    pub(crate) fn new(resolution: Duration) -> Self {
        // Zero would divide by zero below; a nanosecond is as fine as WASI can say.
        Self {
            resolution: resolution.max(Duration::from_nanos(1)),
            start: None,
        }
    }

    fn monotonic(&mut self) -> u64 {
        let now = Instant::now();
        let elapsed = now.duration_since(*self.start.get_or_insert(now));
        nanoseconds(floor(elapsed, self.resolution).saturating_add(self.resolution))
    }

    fn wall(&self) -> Duration {
        // A host clock before 1970 cannot be said in WASI 0.2.
        floor(
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            self.resolution,
        )
    }
}

/// The clocks of a program of preview 1, which start when they are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Started(Clocks);

impl Started {
    pub(crate) fn new(resolution: Duration) -> Self {
        Self(Clocks {
            start: Some(Instant::now()),
            ..Clocks::new(resolution)
        })
    }
}

impl HostWallClock for Started {
    fn resolution(&self) -> Duration {
        self.0.resolution
    }

    fn now(&self) -> Duration {
        self.0.wall()
    }
}

impl HostMonotonicClock for Started {
    fn resolution(&self) -> u64 {
        nanoseconds(self.0.resolution)
    }

    fn now(&self) -> u64 {
        let Self(mut clocks) = *self;
        clocks.monotonic()
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `time` rounded down to a multiple of `step`.
fn floor(time: Duration, step: Duration) -> Duration {
    let (time, step) = (nanoseconds(time), nanoseconds(step).max(1));
    Duration::from_nanos(time - time % step)
}

/// Selects [`View`] as the implementation of the interfaces.
pub(crate) struct HasClocks;

impl HasData for HasClocks {
    type Data<'a> = View<'a>;
}

pub(crate) struct View<'a> {
    pub(crate) clocks: &'a mut Clocks,
    pub(crate) table: &'a mut ResourceTable,
}

impl p2::wall_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<p2::wall_clock::Datetime> {
        Ok(datetime(self.clocks.wall()))
    }

    fn resolution(&mut self) -> wasmtime::Result<p2::wall_clock::Datetime> {
        Ok(datetime(self.clocks.resolution))
    }
}

fn datetime(time: Duration) -> p2::wall_clock::Datetime {
    p2::wall_clock::Datetime {
        seconds: time.as_secs(),
        nanoseconds: time.subsec_nanos(),
    }
}

impl p2::monotonic_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clocks.monotonic())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(nanoseconds(self.clocks.resolution))
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let now = self.clocks.monotonic();
        self.sleep(when.saturating_sub(now))
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<DynPollable>> {
        self.sleep(duration)
    }
}

impl View<'_> {
    fn sleep(&mut self, nanoseconds: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let sleep = if nanoseconds == 0 {
            Sleep::Yield { done: false }
        } else {
            Sleep::Until(tokio::time::Instant::now().checked_add(Duration::from_nanos(nanoseconds)))
        };
        let sleep = self.table.push(sleep)?;
        subscribe(self.table, sleep)
    }
}

/// What a pollable of the monotonic clock waits for.
enum Sleep {
    /// Ready at once, but not before the executor had a turn: a guest that polls with a timeout of zero in a loop would
    /// otherwise never let tokio see that its sockets are ready.
    Yield { done: bool },
    /// A time, or none where it is too far away to be represented.
    Until(Option<tokio::time::Instant>),
}

#[async_trait::async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        match self {
            Sleep::Yield { done: true } => {}
            Sleep::Yield { done } => {
                *done = true;
                tokio::task::yield_now().await;
            }
            Sleep::Until(Some(when)) => tokio::time::sleep_until(*when).await,
            Sleep::Until(None) => std::future::pending().await,
        }
    }
}

impl p3::types::Host for View<'_> {}

impl p3::system_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<p3::system_clock::Instant> {
        let now = self.clocks.wall();
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        Ok(p3::system_clock::Instant {
            seconds,
            nanoseconds: now.subsec_nanos(),
        })
    }

    fn get_resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(nanoseconds(self.clocks.resolution))
    }
}

impl p3::monotonic_clock::Host for View<'_> {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.clocks.monotonic())
    }

    fn get_resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(nanoseconds(self.clocks.resolution))
    }
}

impl<T> p3::monotonic_clock::HostWithStore<T> for HasClocks {
    async fn wait_until(store: &Accessor<T, Self>, when: u64) -> wasmtime::Result<()> {
        let now = store.with(|mut access| access.get().clocks.monotonic());
        wait(when.saturating_sub(now)).await;
        Ok(())
    }

    async fn wait_for(_: &Accessor<T, Self>, duration: u64) -> wasmtime::Result<()> {
        wait(duration).await;
        Ok(())
    }
}

async fn wait(nanoseconds: u64) {
    if nanoseconds > 0 {
        tokio::time::sleep(Duration::from_nanos(nanoseconds)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p2::monotonic_clock::Host as _;

    #[test]
    fn times_are_rounded_down() {
        let step = Duration::from_millis(1);
        assert_eq!(
            floor(Duration::from_nanos(1_999_999), step),
            Duration::from_millis(1)
        );
        assert_eq!(
            floor(Duration::from_nanos(2_000_000), step),
            Duration::from_millis(2)
        );
        assert_eq!(
            floor(Duration::from_nanos(999), Duration::from_micros(1)),
            Duration::ZERO
        );
        assert_eq!(
            floor(Duration::from_nanos(17), Duration::ZERO),
            Duration::from_nanos(17)
        );
    }

    #[test]
    fn both_clocks_are_as_coarse_as_granted() {
        let mut table = ResourceTable::new();
        let mut clocks = Clocks::new(Duration::from_millis(250));
        let mut view = View {
            clocks: &mut clocks,
            table: &mut table,
        };
        assert_eq!(
            p2::monotonic_clock::Host::resolution(&mut view).expect("resolution"),
            250_000_000
        );
        assert_eq!(
            p3::system_clock::Host::get_resolution(&mut view).expect("resolution"),
            250_000_000
        );
        for _ in 0..100 {
            let now = p2::wall_clock::Host::now(&mut view).expect("now");
            assert_eq!(now.nanoseconds % 250_000_000, 0);
            let now = p3::monotonic_clock::Host::now(&mut view).expect("now");
            assert!(now > 0 && now.is_multiple_of(250_000_000), "{now}");
        }
    }

    #[test]
    fn the_clocks_of_preview_1_are_as_coarse() {
        let clocks = Started::new(Duration::from_millis(250));
        assert_eq!(HostWallClock::resolution(&clocks), Duration::from_millis(250));
        assert_eq!(HostMonotonicClock::resolution(&clocks), 250_000_000);
        for _ in 0..100 {
            assert_eq!(HostWallClock::now(&clocks).subsec_nanos() % 250_000_000, 0);
            let now = HostMonotonicClock::now(&clocks);
            assert!(now > 0 && now.is_multiple_of(250_000_000), "{now}");
        }
    }

    #[tokio::test]
    async fn a_time_in_the_past_is_ready_and_one_beyond_the_end_of_time_is_not() {
        let mut table = ResourceTable::new();
        let mut clocks = Clocks::new(Duration::from_secs(3600));
        let mut view = View {
            clocks: &mut clocks,
            table: &mut table,
        };
        view.subscribe_instant(0).expect("a pollable");
        view.subscribe_duration(u64::MAX).expect("a pollable");
        Sleep::Yield { done: false }.ready().await;
        let mut never = Sleep::Until(None);
        assert!(
            tokio::time::timeout(Duration::from_millis(1), never.ready())
                .await
                .is_err()
        );
    }
}
