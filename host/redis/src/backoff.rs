//! How long to wait before the next attempt.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);

/// The pause before attempt `attempt` (the first has number 0), `longest` at the most. `random` is from 0 to 1: clients that lost the
/// same server do not come back at the same moment.
pub fn backoff(attempt: u32, longest: Duration, random: f64) -> Duration {
    let pause = FIRST
        .saturating_mul(2u32.saturating_pow(attempt.min(20)))
        .min(longest);
    pause / 2 + (pause / 2).mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit_and_differ() {
        let longest = Duration::from_secs(2);
        assert_eq!(backoff(0, longest, 1.0), Duration::from_millis(50));
        assert_eq!(backoff(0, longest, 0.0), Duration::from_millis(25));
        assert_eq!(backoff(3, longest, 1.0), Duration::from_millis(400));
        for attempt in 6..200 {
            assert_eq!(backoff(attempt, longest, 1.0), longest);
            assert_eq!(backoff(attempt, longest, 0.0), longest / 2);
        }
    }
}
