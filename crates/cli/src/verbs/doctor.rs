//! `limpid doctor`: check devices and run a self-test.

use std::time::Instant;

use anyhow::Result;
use clap::Args;
use limpid::answers::{DeviceCheck, Doctor, ModelCheck};
use limpid::core::{Edits, NoProgress};
use limpid::data::synthetic;
use limpid::experiment::DEVICES;
use limpid::models::{Config, ENTRIES};
use limpid::{Filter, Prepared, SplitFrom, TrainOptions, Who, train};

use crate::args::OutArgs;
use crate::output::{Output, Section, Table};

#[derive(Debug, Args)]
pub(crate) struct Command {
    #[command(flatten)]
    out: OutArgs,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let mut checks = Vec::new();
        for entry in ENTRIES {
            let started = Instant::now();
            let found = self_test(entry.name);
            checks.push(ModelCheck {
                model: entry.name,
                ok: found.is_ok(),
                seconds: started.elapsed().as_secs_f64(),
                detail: found.unwrap_or_else(|e| format!("{e:#}")),
            });
        }
        let answer = Doctor {
            schema: "limpid.doctor/1",
            version: env!("CARGO_PKG_VERSION"),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            memory_available_mb: memory_available_mb(),
            devices: devices(),
            models: checks,
        };
        let memory = answer
            .memory_available_mb
            .map_or_else(|| "unknown".to_owned(), |mb| format!("{mb} MB available"));
        let head = format!(
            "limpid {} on {}; {} threads; memory: {memory}; devices: {}",
            answer.version,
            answer.system,
            answer.threads,
            DEVICES.join(", ")
        );
        let mut table = Table::new(["model", "self-test", "seconds", "detail"]);
        for check in &answer.models {
            table.row([
                check.model.to_owned(),
                if check.ok { "ok" } else { "FAILED" }.to_owned(),
                format!("{:.2}", check.seconds),
                check.detail.clone(),
            ]);
        }
        let failed = answer.models.iter().filter(|c| !c.ok).count();
        output.answer(&answer, vec![Section::Text(head), Section::Table(table)])?;
        anyhow::ensure!(
            failed == 0,
            "{failed} of {} self-tests failed",
            answer.models.len()
        );
        Ok(())
    }
}

/// Every device of this build is available on every machine.
fn devices() -> Vec<DeviceCheck> {
    let works = |device| DeviceCheck {
        device,
        error: None,
    };
    DEVICES.map(works).into()
}

/// Fits a model on a small synthetic world, recommends, explains, and checks that ledgers add up.
fn self_test(model: &str) -> Result<String> {
    let config = synthetic::Config {
        users: 200,
        items: 80,
        ..synthetic::Config::default()
    };
    let prepared = Prepared::synthetic(&config, &SplitFrom::Spec("ratio:70/10/20@1".parse()?))?;
    let advisor = train(
        prepared,
        &Config::named(model)?,
        &TrainOptions::seeded(1),
        &NoProgress,
    )?;
    let who = Who::user(advisor.catalogue.users.name(0));
    let list = advisor.recommend(&who, 5, &Filter::default(), &Edits::none())?;
    for item in &list.items {
        let why = advisor.explain(&who, &format!("id:{}", item.item.id), &Edits::none(), false)?;
        let sum: f64 = why
            .ledger
            .parts
            .iter()
            .map(|p| f64::from(p.value))
            .sum::<f64>()
            + f64::from(why.ledger.base)
            + f64::from(why.ledger.residual);
        let size: f64 = why
            .ledger
            .parts
            .iter()
            .map(|p| f64::from(p.value.abs()))
            .sum();
        anyhow::ensure!(
            (sum - f64::from(item.score)).abs() <= 1e-5 * size.max(1e-3),
            "the ledger of {} sums to {sum}, its score is {}",
            item.item.title,
            item.score
        );
    }
    Ok(format!("{} ledgers add up", list.items.len()))
}

#[cfg(target_os = "linux")]
fn memory_available_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemAvailable:"))?;
    let kb: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kb * 1024 / 1_000_000)
}

#[cfg(not(target_os = "linux"))]
fn memory_available_mb() -> Option<u64> {
    None
}
