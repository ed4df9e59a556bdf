//! When a schedule is due. Pure: no clock is read here.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// A schedule: five fields, in a time zone.
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Cron,
    zone: TimeZone,
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The fields.
    #[error(
        "{cron:?} is no schedule: {reason}; write minute, hour, day of month, month and day of week, such as \"*/5 * * * *\""
    )]
    Cron {
        /// What was written.
        cron: String,
        /// What is wrong.
        reason: String,
    },
    /// The time zone.
    #[error(
        "there is no time zone {zone:?}; write a name of the tz database, such as Europe/Berlin, and install tzdata where this machine has none"
    )]
    Zone {
        /// What was written.
        zone: String,
    },
    /// It never is.
    #[error("{cron:?} never comes: there is no such day")]
    Never {
        /// What was written.
        cron: String,
    },
}

/// What is due at some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// The latest point in time that has come and may still be begun with.
    pub run: Option<Timestamp>,
    /// How many came and are not begun with any more.
    pub missed: u64,
}

/// Points in time that are looked at after a long pause. Of more than that nobody needs the number.
const MOST: u64 = 10_000;

impl Schedule {
    /// Reads a schedule. Without a zone it is UTC's.
    ///
    /// # Errors
    ///
    /// Where it is none, or never comes.
    pub fn parse(cron: &str, zone: Option<&str>) -> Result<Self, ScheduleError> {
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let parsed = parser.parse(cron).map_err(|error| ScheduleError::Cron {
            cron: cron.to_owned(),
            reason: error.to_string(),
        })?;
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| ScheduleError::Zone {
                zone: name.to_owned(),
            })?,
        };
        let schedule = Self { cron: parsed, zone };
        // A leap day comes within eight years, from whenever one looks.
        match schedule.next(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(ScheduleError::Never {
                cron: cron.to_owned(),
            }),
        }
    }

    /// The first point in time after `after`.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let after = after.to_zoned(self.zone.clone());
        let next = self.cron.find_next_occurrence(&after, false).ok()?;
        Some(next.timestamp())
    }

    /// What came after `last` and until `now`. One that is later than `deadline` is not begun with any more; of several the last is, as
    /// a CronJob has it.
    pub fn due(&self, last: Timestamp, now: Timestamp, deadline: Option<Duration>) -> Due {
        let mut due = Due::default();
        let (mut at, mut seen) = (last, 0);
        while let Some(next) = self.next(at).filter(|next| *next <= now) {
            seen += 1;
            (at, due.run) = (next, Some(next));
            if seen >= MOST {
                // Long ago, so the deadline and the order of things are beside the point.
                at = now - SignedDuration::from_hours(24);
                seen = 0;
                due.missed += MOST;
            }
        }
        let latest = deadline.and_then(|deadline| SignedDuration::try_from(deadline).ok());
        let late = |run: Timestamp| latest.is_some_and(|latest| now.duration_since(run) > latest);
        if due.run.is_some_and(late) {
            due.run = None;
        }
        due.missed += seen - u64::from(due.run.is_some());
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn all(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(cron, Some(zone)).expect("a schedule");
        let mut now = at(from);
        let mut times = Vec::new();
        for _ in 0..count {
            now = schedule.next(now).expect("a next time");
            times.push(now.to_string());
        }
        times
    }

    #[test]
    fn points_in_time_follow_each_other() {
        assert_eq!(
            all("*/20 9 * * MON-FRI", "UTC", "2026-11-20T09:30:00Z", 3),
            [
                "2026-11-20T09:40:00Z",
                "2026-11-23T09:00:00Z",
                "2026-11-23T09:20:00Z"
            ]
        );
        assert_eq!(
            all("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 2),
            ["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]
        );
        assert_eq!(
            all("@daily", "Asia/Tokyo", "2026-01-01T00:00:00Z", 1),
            ["2026-01-01T15:00:00Z"]
        );
    }

    #[test]
    fn an_hour_that_is_left_out_and_one_that_comes_twice() {
        // Berlin goes from 02:00 to 03:00 on 29 March 2026: half past two comes at once after the gap, or as the clock has it.
        let spring = all("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(spring.len(), 2);
        assert!(spring[0].starts_with("2026-03-29T01:"), "{spring:?}");
        assert_eq!(spring[1], "2026-03-30T00:30:00Z");
        // And from 03:00 back to 02:00 on 25 October 2026: once a day stays once.
        assert_eq!(
            all("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // What comes every half an hour goes on doing so.
        assert_eq!(
            all("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", 4),
            [
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z"
            ]
        );
    }

    #[test]
    fn of_several_that_were_missed_the_last_is_run_if_it_is_not_too_late() {
        let schedule = Schedule::parse("*/5 * * * *", None).expect("a schedule");
        let due = |now: &str, deadline| schedule.due(at("2026-01-01T00:00:00Z"), at(now), deadline);
        assert_eq!(due("2026-01-01T00:04:59Z", None), Due::default());
        let run = |time: &str, missed| Due {
            run: Some(at(time)),
            missed,
        };
        assert_eq!(due("2026-01-01T00:05:00Z", None), run("2026-01-01T00:05:00Z", 0));
        assert_eq!(due("2026-01-01T00:17:00Z", None), run("2026-01-01T00:15:00Z", 2));
        let minute = Some(Duration::from_secs(60));
        assert_eq!(
            due("2026-01-01T00:16:00Z", minute),
            run("2026-01-01T00:15:00Z", 2)
        );
        assert_eq!(due("2026-01-01T00:17:00Z", minute), Due { run: None, missed: 3 });
        let years = due("2036-01-01T00:00:00Z", None);
        assert_eq!(years.run, Some(at("2036-01-01T00:00:00Z")));
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for cron in ["* * * *", "60 * * * *", "* * * * * *", "x", "0 0 31 2 *"] {
            assert!(Schedule::parse(cron, None).is_err(), "{cron}");
        }
        let error = Schedule::parse("* * * * *", Some("Europe/Atlantis")).expect_err("no zone");
        assert!(error.to_string().contains("Europe/Atlantis"), "{error}");
    }
}
