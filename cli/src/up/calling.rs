//! The triggers of a service beside HTTP while it runs, and what they have counted, told now and then. What they count is in
//! `shoal-trigger`.

use crate::console::Console;
use crate::event::Event;
use shoal_fleet::Draining;
use shoal_service::{Counts, Tally};
use std::time::Duration;
use tokio::task::JoinSet;

/// How often it is looked at whether there is anything to tell.
const EVERY: Duration = Duration::from_secs(10);

/// The triggers of a service, as they are reported.
pub(crate) struct Calling {
    tallies: Vec<Tally>,
    service: String,
    console: Console,
    /// One task, which ends with this.
    telling: JoinSet<()>,
}

impl Calling {
    /// Reports what these triggers of a service count.
    pub(crate) fn start(tallies: Vec<Tally>, service: &str, console: &Console) -> Self {
        let mut telling = JoinSet::new();
        if !tallies.is_empty() {
            telling.spawn(tell(tallies.clone(), service.to_owned(), console.clone()));
        }
        Self {
            tallies,
            service: service.to_owned(),
            console: console.clone(),
            telling,
        }
    }

    /// The names of the triggers.
    pub(crate) fn names(&self) -> Vec<String> {
        self.tallies.iter().map(|it| it.name().to_owned()).collect()
    }

    /// Lets requests and calls finish for as long as `grace`, and reports the counts for the last time. Returns whether all of them
    /// finished.
    pub(crate) async fn end(mut self, draining: Draining, grace: Duration) -> bool {
        self.telling.abort_all();
        let done = draining.finish(grace).await;
        for tally in &self.tallies {
            let now = tally.read();
            if now != Counts::default() {
                self.console.send(counted(&self.service, tally, now));
            }
        }
        done
    }
}

async fn tell(tallies: Vec<Tally>, service: String, console: Console) {
    let mut told: Vec<_> = tallies.iter().map(|_| Counts::default()).collect();
    loop {
        tokio::time::sleep(EVERY).await;
        for (tally, told) in tallies.iter().zip(&mut told) {
            let now = tally.read();
            if unwell(told) != unwell(&now) {
                *told = now;
                console.send(counted(&service, tally, now));
            }
        }
    }
}

/// The counts without those that say that all is well: a service that works is quiet.
fn unwell(counts: &Counts) -> Counts {
    Counts {
        calls: 0,
        succeeded: 0,
        ..*counts
    }
}

fn counted(service: &str, tally: &Tally, counts: Counts) -> Event {
    Event::Counted {
        service: service.to_owned(),
        trigger: tally.name().to_owned(),
        counts: counts.all().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_well_is_not_worth_a_line() {
        let counts = |calls, dropped| Counts {
            calls,
            succeeded: calls,
            dropped,
            ..Counts::default()
        };
        assert_eq!(unwell(&counts(1, 0)), unwell(&counts(1000, 0)));
        assert_ne!(unwell(&counts(1, 0)), unwell(&counts(1, 1)));
    }
}
