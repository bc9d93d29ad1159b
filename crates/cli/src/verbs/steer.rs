//! `limpid steer`: a list with more, or less, of a concept.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use limpid::Advisor;
use limpid::answers::SteerAnswer;
use limpid::steering::{Amount, SteerRequest};

use super::recommend;
use crate::args::{FilterArgs, OutArgs, WhoArgs, length};
use crate::output::{Output, Section, Table, number};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Command {
    /// Folder written by 'limpid probe'
    knobs: PathBuf,
    /// Concept: a metadata value such as 'film noir' or genre:Horror, or a knob by name or id
    #[arg(long, value_name = "CONCEPT")]
    toward: String,
    /// Share of the list, such as 30%; the strength is found by bisection
    #[arg(long, value_name = "PERCENT", value_parser = share, required_unless_present = "strength", conflicts_with = "strength")]
    share: Option<f64>,
    /// Strength, in lengths of the user's vector, such as 0.3; negative for less of it
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    strength: Option<f32>,
    /// Most knobs that are turned
    #[arg(long, value_name = "N", default_value_t = 10)]
    turn: usize,
    /// Turn what the knobs do not express of the concept too, as one unit: steers further, less of it is named
    #[arg(long, conflicts_with = "turn")]
    beyond: bool,
    /// Length of the list
    #[arg(short, long, default_value_t = 20, value_name = "N", value_parser = length)]
    n: usize,
    #[command(flatten)]
    who: WhoArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    out: OutArgs,
}

const EXAMPLES: &str = "\
Examples:
  limpid steer knobs/ --user 42 --toward 'film noir' --share 30%
  limpid steer knobs/ --user 42 --toward genre:Horror --share 0%
  limpid steer knobs/ --user 42 --toward tag:noir --share 50% --beyond
  limpid steer knobs/ --history 1214 --toward n12 --strength 0.3";

/// A share: `30%`, `30 %` or `0.3`.
fn share(text: &str) -> Result<f64, String> {
    let refuse = || "write a percentage such as 30%, or a share such as 0.3".to_owned();
    let (number, divisor) = match text.trim().strip_suffix('%') {
        Some(percent) => (percent.trim(), 100.0),
        None => (text.trim(), 1.0),
    };
    let share = number.parse::<f64>().map_err(|_| refuse())? / divisor;
    match (0.0..=1.0).contains(&share) {
        true => Ok(share),
        false => Err(format!("must be between 0% and 100%; {}", refuse())),
    }
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        let output = &self.out.of(output)?;
        let advisor = Advisor::open(&self.knobs)?;
        let filter = self.filter.filter(&advisor)?;
        let request = SteerRequest {
            toward: self.toward.clone(),
            amount: match (self.share, self.strength) {
                (Some(share), _) => Amount::Share(share),
                (None, strength) => Amount::Strength(strength.unwrap_or_default()),
            },
            n: self.n,
            knobs: self.turn,
            beyond: self.beyond,
        };
        let answer = advisor.steer(&self.who.who()?, &request, &filter)?;
        let page = page(&answer);
        output.answer(&answer, page)
    }
}

fn page(answer: &SteerAnswer) -> Vec<Section> {
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let mut lines = vec![format!(
        "Toward {} ({} items): {} of the list, {} without steering; strength {}",
        answer.toward,
        answer.items,
        percent(answer.share),
        percent(answer.share_before),
        number(answer.strength)
    )];
    lines.extend(answer.notes.iter().cloned());
    let mut table = Table::new(["knob", "name", "weight"]);
    for knob in &answer.knobs {
        table.row([
            knob.unit.clone(),
            knob.name.clone().unwrap_or_default(),
            number(knob.weight),
        ]);
    }
    let mut page = vec![Section::Lines(lines), Section::Table(table)];
    page.extend(recommend::page(&answer.list));
    page
}
