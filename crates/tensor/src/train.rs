//! The training loop of every gradient-based model.
//!
//! It shuffles with a seed, decays the learning rate, stops early on the monitor of the run and restores
//! the best weights, returns an error if a loss is not finite, and writes checkpoints from which
//! a killed fit resumes with the same result.

use limpid_core::traits::{Monitor, require};
use limpid_core::{Error, Result, Run, Tensors};

use crate::{Parameter, Rng};

/// Length and learning rate of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Maximum number of passes over the examples.
    pub epochs: usize,
    /// Examples per step.
    pub batch_size: usize,
    /// Initial learning rate.
    pub learning_rate: f32,
    /// The learning rate is multiplied by this …
    pub decay: f32,
    /// … every `decay_every` epochs; 0: no decay.
    pub decay_every: usize,
    /// With a monitor: evaluations without improvement before training stops; 0: no early stopping.
    pub patience: usize,
    /// Epochs between evaluations.
    pub monitor_every: usize,
    /// Steps of linear warm-up from a learning rate of 0; 0: no warm-up.
    pub warm_up: usize,
}

impl Default for Schedule {
    /// One pass in steps of 256 examples at a constant learning rate of 0.001.
    fn default() -> Self {
        Self {
            epochs: 1,
            batch_size: 256,
            learning_rate: 1e-3,
            decay: 1.0,
            decay_every: 0,
            patience: 0,
            monitor_every: 1,
            warm_up: 0,
        }
    }
}

impl Schedule {
    /// The learning rate of an epoch, counted from 1.
    #[must_use]
    pub fn rate(&self, epoch: usize) -> f32 {
        let steps = epoch.checked_div(self.decay_every).unwrap_or(0);
        self.learning_rate * self.decay.powi(steps as i32)
    }

    /// The learning rate of a step, counted from 1 over all epochs.
    #[must_use]
    pub fn rate_at(&self, epoch: usize, step: usize) -> f32 {
        match step < self.warm_up {
            true => self.rate(epoch) * (step as f32 / self.warm_up as f32),
            false => self.rate(epoch),
        }
    }

    fn check(&self) -> Result<()> {
        require(
            self.batch_size > 0,
            "batch_size",
            "above 0",
            self.batch_size,
        )?;
        require(
            self.monitor_every > 0,
            "monitor_every",
            "above 0",
            self.monitor_every,
        )?;
        require(
            self.learning_rate > 0.0 && self.learning_rate.is_finite(),
            "learning_rate",
            "above 0",
            self.learning_rate,
        )?;
        require(
            self.decay > 0.0 && self.decay <= 1.0,
            "decay",
            "above 0 and at most 1",
            self.decay,
        )
    }
}

/// A trainable model: it owns its parameters and performs one step.
pub trait Learner {
    /// The parameters, always in the same order.
    fn parameters(&mut self) -> Vec<&mut Parameter>;

    /// Prepares an epoch (counted from 1), for example by sampling negatives; returns the number of
    /// examples.
    fn begin(&mut self, epoch: usize, rng: &mut Rng) -> usize;

    /// One step on some examples; returns the sum of their losses before the step.
    fn step(&mut self, examples: &[u32], rate: f32, rng: &mut Rng) -> f64;

    /// The metric for early stopping, larger is better. A
    /// recommender calls the monitor; other learners may compute their own, or return `None` to disable
    /// early stopping.
    ///
    /// # Errors
    /// If it cannot be computed.
    fn measure(&self, monitor: &Monitor<'_>) -> Result<Option<f64>> {
        let _ = monitor;
        Ok(None)
    }
}

/// An epoch of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Epoch {
    /// Mean loss of its examples, before their steps.
    pub loss: f64,
    /// The metric after it, if it was measured.
    pub metric: Option<f64>,
}

/// The result of training.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Epochs that were run.
    pub epochs: usize,
    /// The epoch of the restored weights.
    pub best_epoch: usize,
    /// Its metric, if there was a monitor.
    pub best: Option<f64>,
    /// Every epoch; of a fit that was resumed, those since then.
    pub curve: Vec<Epoch>,
}

/// Trains a learner; afterwards it has the weights with the best metric, or the last ones if
/// the run has no monitor.
///
/// `fingerprint` identifies settings and data in a checkpoint, so that no other fit resumes from it.
///
/// # Errors
/// [`Error::Range`] for an invalid schedule, [`Error::Numeric`] if a loss is not finite,
/// [`Error::Interrupted`] on request.
pub fn train<L: Learner + Send>(
    learner: &mut L,
    schedule: &Schedule,
    fingerprint: &str,
    run: &mut Run<'_>,
) -> Result<Outcome> {
    schedule.check()?;
    let mut state = State::resume(learner, fingerprint, run);
    run.progress.start("epochs", schedule.epochs as u64);
    run.progress.step(state.epoch as u64);
    let mut order: Vec<u32> = Vec::new();
    while state.epoch < schedule.epochs && !state.is_over(schedule) {
        let epoch = state.epoch + 1;
        // One random stream per epoch, so that a resumed fit equals an uninterrupted one.
        let mut rng = Rng::new(run.seed, 1000 + epoch as u64);
        let n = learner.begin(epoch, &mut rng);
        order.clear();
        order.extend(0..n as u32);
        rng.shuffle(&mut order);
        let mut total = 0.0;
        for (at, examples) in order.chunks(schedule.batch_size).enumerate() {
            if run.progress.interrupted() {
                // Epochs since the last checkpoint are lost.
                let kept = match run.checkpoints.is_some() {
                    true => saved_epochs(state.saved),
                    false => "no checkpoint was saved".to_owned(),
                };
                return Err(Error::Interrupted(kept));
            }
            let step = (epoch - 1) * n.div_ceil(schedule.batch_size) + at + 1;
            let rate = schedule.rate_at(epoch, step);
            // A thread of the pool works on each parallel part of the step itself; this one would wait for it.
            let loss = rayon::scope(|_| learner.step(examples, rate, &mut rng));
            if !loss.is_finite() {
                return Err(Error::Numeric {
                    what: format!("the loss of epoch {epoch}, batch {}", at + 1),
                    why: format!(
                        "is {loss}; use a learning_rate lower than {}",
                        schedule.learning_rate
                    ),
                });
            }
            total += loss;
        }
        state.epoch = epoch;
        let mean = total / n.max(1) as f64;
        let metric = state.measure(learner, schedule, run)?;
        state.curve.push(Epoch { loss: mean, metric });
        let note = metric.map_or_else(String::new, |metric| {
            let best = state.best.unwrap_or(metric);
            format!(", metric {metric:.4} (best {best:.4})")
        });
        run.progress.note(&format!("loss {mean:.4}{note}"));
        run.progress.step(1);
        state.save(learner, fingerprint, run)?;
    }
    Ok(state.finish(learner))
}

/// The epochs that an interrupted fit keeps, in words.
fn saved_epochs(n: usize) -> String {
    match n {
        0 => "no epoch was saved".to_owned(),
        1 => "1 epoch saved; rerun to resume".to_owned(),
        n => format!("{n} epochs saved; rerun to resume"),
    }
}

/// The state of training.
#[derive(Default)]
struct State {
    epoch: usize,
    saved: usize,
    best: Option<f64>,
    best_epoch: usize,
    weights: Vec<Vec<f32>>,
    stale: usize,
    curve: Vec<Epoch>,
}

impl State {
    fn is_over(&self, schedule: &Schedule) -> bool {
        schedule.patience > 0 && self.stale >= schedule.patience
    }

    fn measure<L: Learner>(
        &mut self,
        learner: &mut L,
        schedule: &Schedule,
        run: &Run<'_>,
    ) -> Result<Option<f64>> {
        let Some(monitor) = run.monitor else {
            return Ok(None);
        };
        if !self.epoch.is_multiple_of(schedule.monitor_every) && self.epoch != schedule.epochs {
            return Ok(None);
        }
        let Some(metric) = learner.measure(monitor)? else {
            return Ok(None);
        };
        if self.best.is_none_or(|best| metric > best) {
            self.best = Some(metric);
            self.best_epoch = self.epoch;
            self.stale = 0;
            self.weights = learner
                .parameters()
                .iter()
                .map(|p| p.value.clone())
                .collect();
        } else {
            self.stale += 1;
        }
        Ok(Some(metric))
    }

    fn finish<L: Learner>(self, learner: &mut L) -> Outcome {
        if self.best.is_none() {
            return Outcome {
                epochs: self.epoch,
                best_epoch: self.epoch,
                best: None,
                curve: self.curve,
            };
        }
        for (parameter, best) in learner.parameters().into_iter().zip(&self.weights) {
            parameter.value.copy_from_slice(best);
        }
        Outcome {
            epochs: self.epoch,
            best_epoch: self.best_epoch,
            best: self.best,
            curve: self.curve,
        }
    }

    fn save<L: Learner>(
        &mut self,
        learner: &mut L,
        fingerprint: &str,
        run: &mut Run<'_>,
    ) -> Result<()> {
        if !run.checkpoints.as_ref().is_some_and(|c| c.wanted()) {
            return Ok(());
        }
        let mut out = Tensors::new();
        out.put_meta("training.fingerprint", &fingerprint)?;
        out.put_meta("training.seed", &run.seed)?;
        out.put_meta("training.epoch", &self.epoch)?;
        out.put_meta("training.best", &self.best)?;
        out.put_meta("training.best_epoch", &self.best_epoch)?;
        out.put_meta("training.stale", &self.stale)?;
        for (at, parameter) in learner.parameters().into_iter().enumerate() {
            let (arrays, steps) = parameter.state();
            for (array, part) in arrays.into_iter().zip(["value", "first", "second"]) {
                let name = format!("{}.{part}", parameter.name);
                out.put_f32(&name, &[array.len()], array.to_vec());
            }
            out.put_meta(&format!("{}.steps", parameter.name), &steps)?;
            if let Some(best) = self.weights.get(at) {
                out.put_f32(
                    &format!("{}.best", parameter.name),
                    &[best.len()],
                    best.clone(),
                );
            }
        }
        if run.checkpoint(&out) {
            self.saved = self.epoch;
        }
        Ok(())
    }

    /// The state of the last checkpoint if it is of this fit; otherwise the initial state.
    fn resume<L: Learner>(learner: &mut L, fingerprint: &str, run: &Run<'_>) -> Self {
        let Some(last) = run.checkpoints.as_ref().and_then(|c| c.last()) else {
            return Self::default();
        };
        Self::read(learner, fingerprint, run.seed, &last).unwrap_or_else(|| {
            run.progress
                .note("the checkpoint is from other settings or data; training starts over");
            Self::default()
        })
    }

    fn read<L: Learner>(
        learner: &mut L,
        fingerprint: &str,
        seed: u64,
        last: &Tensors,
    ) -> Option<Self> {
        let same = last.meta::<String>("training.fingerprint").ok()? == fingerprint
            && last.meta::<u64>("training.seed").ok()? == seed;
        if !same {
            return None;
        }
        let epoch = last.meta("training.epoch").ok()?;
        let best: Option<f64> = last.meta("training.best").ok()?;
        let mut state = Self {
            epoch,
            saved: epoch,
            best,
            best_epoch: last.meta("training.best_epoch").ok()?,
            stale: last.meta("training.stale").ok()?,
            weights: Vec::new(),
            curve: Vec::new(),
        };
        // Everything is read before anything is changed, so a broken checkpoint has no effect.
        let mut found = Vec::new();
        for parameter in learner.parameters() {
            let array = |part: &str| last.f32(&format!("{}.{part}", parameter.name)).ok();
            let arrays = [array("value")?.1, array("first")?.1, array("second")?.1];
            if arrays.iter().any(|a| a.len() != parameter.value.len()) {
                return None;
            }
            if best.is_some() {
                let weights = array("best")?.1.to_vec();
                if weights.len() != parameter.value.len() {
                    return None;
                }
                state.weights.push(weights);
            }
            let steps: u64 = last.meta(&format!("{}.steps", parameter.name)).ok()?;
            found.push((arrays, steps));
        }
        let fits = learner
            .parameters()
            .into_iter()
            .zip(&found)
            .all(|(p, ([a, b, c], steps))| p.restore([a, b, c], *steps));
        fits.then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::adam::Adam;
    use limpid_core::{
        Checkpoints, Histories, History, ItemIdx, Ledger, Mat, Progress, Recommender,
    };
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Learns the mean of some numbers.
    struct Mean {
        data: Vec<f32>,
        guess: Parameter,
    }

    struct Constant(f32);

    impl Recommender for Constant {
        fn score(&self, users: &Histories) -> Mat {
            Mat::from_elem((users.len(), 1), self.0)
        }

        fn explain(&self, _: History<'_>, _: ItemIdx) -> Ledger {
            Ledger::default().scored(self.0)
        }
    }

    impl Learner for Mean {
        fn parameters(&mut self) -> Vec<&mut Parameter> {
            vec![&mut self.guess]
        }

        fn begin(&mut self, _: usize, _: &mut Rng) -> usize {
            self.data.len()
        }

        fn step(&mut self, examples: &[u32], rate: f32, _: &mut Rng) -> f64 {
            let guess = self.guess.value[0];
            let errors: Vec<f32> = examples
                .iter()
                .map(|&e| guess - self.data[e as usize])
                .collect();
            self.guess.gradient[0] = 2.0 * errors.iter().sum::<f32>();
            self.guess.step(&Adam::new(rate));
            errors.iter().map(|e| f64::from(e * e)).sum()
        }

        fn measure(&self, monitor: &Monitor<'_>) -> Result<Option<f64>> {
            Ok(Some(monitor(&Constant(self.guess.value[0]))))
        }
    }

    fn mean() -> Mean {
        Mean {
            data: vec![1.0, 2.0, 3.0, 6.0],
            guess: Parameter::new("guess", vec![0.0]),
        }
    }

    fn schedule(epochs: usize) -> Schedule {
        Schedule {
            epochs,
            batch_size: 3,
            learning_rate: 0.1,
            ..Schedule::default()
        }
    }

    #[derive(Default)]
    struct InMemory(Option<Tensors>);

    impl Checkpoints for InMemory {
        fn last(&self) -> Option<Tensors> {
            self.0.clone()
        }

        fn save(&mut self, state: &Tensors) -> Result<()> {
            self.0 = Some(state.clone());
            Ok(())
        }
    }

    #[test]
    fn learns() {
        let mut m = mean();
        let outcome = train(&mut m, &schedule(400), "", &mut Run::seeded(1)).unwrap();
        assert_eq!(outcome.best_epoch, 400);
        assert!((m.guess.value[0] - 3.0).abs() < 0.3, "{}", m.guess.value[0]);
    }

    #[test]
    fn restores_the_best_weights_and_stops_early() {
        let mut m = mean();
        let data = Histories::from_rows(&[vec![]], 1).unwrap();
        let monitor = |model: &dyn Recommender| -> f64 {
            -f64::from((model.score(&data)[[0, 0]] - 1.0).abs())
        };
        let mut run = Run {
            monitor: Some(&monitor),
            ..Run::seeded(1)
        };
        let with_patience = Schedule {
            patience: 3,
            ..schedule(400)
        };
        let outcome = train(&mut m, &with_patience, "", &mut run).unwrap();
        assert!(outcome.epochs < 400);
        assert_eq!(outcome.epochs, outcome.best_epoch + 3);
        assert!((m.guess.value[0] - 1.0).abs() < 0.15);
    }

    #[test]
    fn a_non_finite_loss_is_an_error() {
        let mut m = mean();
        m.data[2] = f32::NAN;
        let e = train(&mut m, &schedule(5), "", &mut Run::seeded(1)).unwrap_err();
        let message = e.to_string();
        assert!(
            message.contains("epoch 1, batch") && message.contains("learning_rate"),
            "{message}"
        );
        let e = train(
            &mut mean(),
            &Schedule {
                batch_size: 0,
                ..schedule(1)
            },
            "",
            &mut Run::seeded(1),
        );
        assert!(e.unwrap_err().to_string().contains("batch_size"));
    }

    #[test]
    fn resumed_and_uninterrupted_training_agree() {
        struct Interrupter(AtomicU64);
        impl Progress for Interrupter {
            fn start(&self, _: &str, _: u64) {}
            fn step(&self, _: u64) {}
            fn interrupted(&self) -> bool {
                self.0.fetch_add(1, Ordering::Relaxed) > 12
            }
        }
        let mut whole = mean();
        train(&mut whole, &schedule(20), "a", &mut Run::seeded(4)).unwrap();
        let mut kept = InMemory::default();
        let progress = Interrupter(AtomicU64::new(0));
        let mut broken = mean();
        let mut run = Run {
            progress: &progress,
            checkpoints: Some(&mut kept),
            ..Run::seeded(4)
        };
        let e = train(&mut broken, &schedule(20), "a", &mut run).unwrap_err();
        assert!(e.to_string().contains("6 epochs saved"), "{e}");
        for (fingerprint, same) in [("a", true), ("b", false)] {
            let mut again = mean();
            let mut kept = InMemory(kept.0.clone());
            let mut run = Run {
                checkpoints: Some(&mut kept),
                ..Run::seeded(4)
            };
            assert_eq!(
                State::resume(&mut mean(), fingerprint, &run).epoch > 0,
                same
            );
            train(&mut again, &schedule(20), fingerprint, &mut run).unwrap();
            assert_eq!(again.guess.value, whole.guess.value);
        }
    }

    #[test]
    fn the_learning_rate_decays() {
        let s = Schedule {
            decay: 0.5,
            decay_every: 10,
            ..schedule(1)
        };
        assert_eq!((s.rate(9), s.rate(10), s.rate(20)), (0.1, 0.05, 0.025));
        assert_eq!(schedule(1).rate(500), 0.1);
        let s = Schedule { warm_up: 4, ..s };
        assert_eq!((s.rate_at(1, 1), s.rate_at(1, 4)), (0.025, 0.1));
        assert_eq!(s.rate_at(10, 40), 0.05);
    }
}
