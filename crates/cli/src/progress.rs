//! Progress bars for work of more than a second, and Ctrl-C.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use limpid::core::Progress;

use crate::verbs;

/// Shorter work shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar per stage, only where standard error is a terminal.
pub(crate) struct Bars {
    quiet: bool,
    shown: bool,
    stage: Mutex<Option<Stage>>,
}

struct Stage {
    bar: ProgressBar,
    started: Instant,
    visible: bool,
}

static INTERRUPTED: OnceLock<&'static AtomicBool> = OnceLock::new();

/// Handles Ctrl-C: the first one stops the work at its next safe point, the second one exits at once.
fn listen() -> &'static AtomicBool {
    INTERRUPTED.get_or_init(|| {
        static FLAG: AtomicBool = AtomicBool::new(false);
        // Without a handler Ctrl-C ends the program at once, which is the default.
        let _ = ctrlc::set_handler(|| {
            if FLAG.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(verbs::INTERRUPTED));
            }
            say("interrupting at the next safe point; press Ctrl-C again to stop at once");
        });
        &FLAG
    })
}

/// Prints to standard error; what cannot be printed there cannot be reported either.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

impl Bars {
    pub(crate) fn new(quiet: bool) -> Self {
        listen();
        Self {
            quiet,
            shown: !quiet && std::io::stderr().is_terminal(),
            stage: Mutex::new(None),
        }
    }

    /// Refuses to go on after Ctrl-C, also where the work itself had no safe point.
    pub(crate) fn check(&self, lost: &str) -> limpid::Result<()> {
        match self.interrupted() {
            true => Err(limpid::core::Error::Interrupted(lost.to_owned()).into()),
            false => Ok(()),
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        if let Ok(stage) = self.stage.get_mut()
            && let Some(stage) = stage.take()
        {
            stage.bar.finish_and_clear();
        }
    }
}

impl Progress for Bars {
    fn start(&self, name: &str, total: u64) {
        if !self.shown {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        if let Ok(style) =
            ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len}  {eta} left  {prefix}")
        {
            bar.set_style(style);
        }
        bar.set_message(name.to_owned());
        let stage = Stage {
            bar,
            started: Instant::now(),
            visible: false,
        };
        if let Ok(mut current) = self.stage.lock()
            && let Some(before) = current.replace(stage)
        {
            before.bar.finish_and_clear();
        }
    }

    fn step(&self, n: u64) {
        if !self.shown {
            return;
        }
        if let Ok(mut current) = self.stage.lock()
            && let Some(stage) = current.as_mut()
        {
            if !stage.visible && stage.started.elapsed() > PATIENCE {
                stage.bar.set_draw_target(ProgressDrawTarget::stderr());
                stage.visible = true;
            }
            stage.bar.inc(n);
        }
    }

    fn note(&self, text: &str) {
        if let Ok(current) = self.stage.lock()
            && let Some(stage) = current.as_ref()
        {
            stage.bar.set_prefix(text.to_owned());
        }
    }

    fn warn(&self, text: &str) {
        if self.quiet {
            return;
        }
        let text = format!("note: {text}");
        let stage = self.stage.lock().ok();
        match stage.as_ref().and_then(|stage| stage.as_ref()) {
            Some(stage) => stage.bar.suspend(|| say(&text)),
            None => say(&text),
        }
    }

    fn interrupted(&self) -> bool {
        listen().load(Ordering::SeqCst)
    }
}
