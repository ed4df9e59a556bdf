//! Bars for what takes long: pulls, pushes, compilations. They are drawn on a terminal only; elsewhere nothing is said.

use crate::output::Format;
use crate::text;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use shoal_artifact::{Progress, Step};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(120);

/// All bars of the process, one below the other.
#[derive(Clone)]
pub(crate) struct Bars(Option<MultiProgress>);

impl Bars {
    pub(crate) fn new(format: Format) -> Self {
        let shown = format == Format::Text && std::io::stderr().is_terminal();
        Self(shown.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())))
    }

    /// A listener for one artifact.
    pub(crate) fn listener(&self, name: &str) -> Box<dyn Progress> {
        match &self.0 {
            Some(bars) => Box::new(Bar {
                bars: bars.clone(),
                name: name.to_owned(),
                shown: Mutex::default(),
            }),
            None => Box::new(()),
        }
    }

    /// A line that says what is waited for.
    pub(crate) fn spinner(&self, name: &str) -> Spinner {
        Spinner(self.0.as_ref().map(|bars| {
            let style = ProgressStyle::with_template("{prefix:>20} {spinner} {elapsed:>4} {wide_msg}");
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
                .with_prefix(name.to_owned());
            let bar = bars.add(bar);
            bar.enable_steady_tick(TICK);
            (bars.clone(), bar)
        }))
    }

    /// Writes something that must not get between the bars.
    pub(crate) fn above(&self, write: impl FnOnce()) {
        match &self.0 {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

/// Something that is waited for. The line is gone with it.
pub(crate) struct Spinner(Option<(MultiProgress, ProgressBar)>);

impl Spinner {
    /// What it waits for now.
    pub(crate) fn say(&self, what: &str) {
        if let Some((_, bar)) = &self.0 {
            bar.set_message(text::line(what.as_bytes()));
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some((bars, bar)) = self.0.take() {
            bar.finish_and_clear();
            bars.remove(&bar);
        }
    }
}

struct Bar {
    bars: MultiProgress,
    name: String,
    /// One for each step: a bar that changes its style is drawn once with the wrong one.
    shown: Mutex<Option<ProgressBar>>,
}

impl Bar {
    fn show(&self, next: Option<ProgressBar>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = std::mem::replace(&mut *shown, next) {
            last.finish_and_clear();
            self.bars.remove(&last);
        }
    }
}

impl Progress for Bar {
    fn started(&self, step: Step, total: Option<u64>) {
        // How far a compilation is, nobody knows.
        let total = total.filter(|_| matches!(step, Step::Pulling | Step::Pushing));
        let template = match total {
            Some(_) => "{prefix:>20} {msg:<9} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}",
            None => "{prefix:>20} {msg:<9} {spinner} {elapsed}",
        };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden())
            .with_style(style.progress_chars("=> "))
            .with_prefix(self.name.clone())
            .with_message(verb(step));
        let bar = self.bars.add(bar);
        bar.enable_steady_tick(TICK);
        self.show(Some(bar));
    }

    fn advanced(&self, bytes: u64) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = &*shown {
            bar.inc(bytes);
        }
    }

    fn finished(&self, _: Step) {
        self.show(None);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.show(None);
    }
}

fn verb(step: Step) -> &'static str {
    match step {
        Step::Waiting => "waiting",
        Step::Resolving => "resolving",
        Step::Pulling => "pulling",
        Step::Pushing => "pushing",
        Step::Compiling => "compiling",
        _ => "working",
    }
}
