//! Bars for what takes long: pulls, pushes, compilations. They are drawn on a terminal only; elsewhere nothing is said.

use crate::output::Format;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use shoal_artifact::{Progress, Step};
use std::io::IsTerminal;
use std::time::Duration;

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
            Some(bars) => {
                let bar = bars.add(ProgressBar::hidden());
                bar.set_prefix(name.to_owned());
                Box::new(Bar {
                    bars: bars.clone(),
                    bar,
                })
            }
            None => Box::new(()),
        }
    }

    /// Writes something that must not get between the bars.
    pub(crate) fn above(&self, write: impl FnOnce()) {
        match &self.0 {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

struct Bar {
    bars: MultiProgress,
    bar: ProgressBar,
}

impl Progress for Bar {
    fn started(&self, step: Step, total: Option<u64>) {
        self.bar.reset();
        // How far a compilation is, nobody knows.
        let total = total.filter(|_| matches!(step, Step::Pulling | Step::Pushing));
        let template = match total {
            Some(_) => "{prefix:>16} {msg:<12} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}",
            None => "{prefix:>16} {msg:<12} {spinner} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.progress_chars("=> "));
        }
        match total {
            Some(total) => self.bar.set_length(total),
            None => self.bar.unset_length(),
        }
        self.bar.set_message(verb(step));
        self.bar.set_draw_target(ProgressDrawTarget::stderr());
        self.bars.add(self.bar.clone());
        self.bar.enable_steady_tick(Duration::from_millis(120));
    }

    fn advanced(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn finished(&self, _: Step) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        self.bars.remove(&self.bar);
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
