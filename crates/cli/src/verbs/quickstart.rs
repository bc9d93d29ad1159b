//! `limpid quickstart`: every step on generated data whose rules are known.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use limpid::answers::{Measured, Quickstart};
use limpid::artifact::check_target;
use limpid::core::{Edits, NoProgress};
use limpid::data::synthetic;
use limpid::experiment::DEFAULT_MODEL;
use limpid::insight::Search;
use limpid::models::Config;
use limpid::{Advisor, Filter, MeasureOptions, Prepared, SplitFrom, TrainOptions, Who, train};

use super::explain::{explanation_page, why_not_page};
use super::recommend;
use crate::output::{Output, Section, Table};

/// Length of the list.
const N: usize = 5;

/// The metrics of the models.
const METRICS: [&str; 3] = ["ndcg@20", "recall@20", "itemcoverage@20"];

/// Rank of the item that the why-not explains, below the list.
const JUST_MISSED: usize = 12;

#[derive(Debug, Args)]
pub(crate) struct Command {
    /// Save the model to a folder
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        if let Some(folder) = &self.output {
            check_target(folder, 0)?;
        }
        let started = Instant::now();
        let world = synthetic::Config::default();
        let split = SplitFrom::Spec("ratio:70/10/20@7".parse()?);
        let prepared = Prepared::synthetic(&world, &split)?;
        let events = prepared.split.train.n_events();
        let mut page = vec![Section::Text(format!(
            "Generated data: {} users, {} items, {events} train events (split {}). Users follow \
             planted rules, so that explanations can be checked.",
            prepared.data.users, prepared.data.items, prepared.split.spec
        ))];
        let mut evaluations = Vec::new();
        // These names are valid for 'limpid evaluate --metrics'.
        let [accuracy, recall, coverage] = METRICS;
        let mut table = Table::new(["model", accuracy, "95 % interval", recall, coverage, "fit"]);
        let mut advisor = None;
        for name in ["popularity", "itemknn", "ease", DEFAULT_MODEL] {
            let model = train(
                prepared.clone(),
                &Config::named(name)?,
                &TrainOptions::seeded(1),
                &NoProgress,
            )?;
            let measured = measure(&model)?;
            let value = |at: usize| format!("{:.4}", measured.report.metrics[at].value);
            let interval = measured.report.metrics[0].interval;
            table.row([
                name.to_owned(),
                value(0),
                interval.map_or_else(String::new, |i| format!("{:.4} – {:.4}", i.low, i.high)),
                value(1),
                value(2),
                format!("{:.2} s", model.manifest.fit_seconds),
            ]);
            evaluations.push(measured);
            advisor = Some(model);
        }
        let advisor = advisor.context("no model was trained")?;
        page.push(Section::Text("Accuracy on the test set".to_owned()));
        page.push(Section::Table(table));
        page.push(Section::Text(evaluations[0].report.masks.clone()));

        let user = typical_user(&advisor)?;
        let who = Who::user(&user);
        let (filter, none) = (Filter::default(), Edits::none());
        let list = advisor.recommend(&who, N, &filter, &none)?;
        page.push(heading(&format!(
            "limpid recommend model/ --user {user} -n {N}"
        )));
        page.extend(recommend::page(&list));

        let first = &list.items.first().context("the list is empty")?.item;
        let why = advisor.explain(&who, &format!("id:{}", first.id), &none, false)?;
        page.push(heading(&format!(
            "limpid explain model/ --user {user} --item {}",
            first.id
        )));
        page.extend(explanation_page(&why, 8, false));

        let missed = advisor.recommend(&who, JUST_MISSED, &filter, &none)?;
        let missed = &missed.items.last().context("the list is empty")?.item;
        let id = format!("id:{}", missed.id);
        let why_not = advisor.why_not(&who, &id, N, &filter, &none, Search::default())?;
        page.push(heading(&format!(
            "limpid explain model/ --user {user} --why-not {} -n {N}",
            missed.id
        )));
        page.extend(why_not_page(&why_not, 8));

        if let Some(folder) = &self.output {
            advisor.save(folder, true)?;
            page.push(Section::Text(format!(
                "model saved to {}",
                folder.display()
            )));
        }
        let seconds = started.elapsed().as_secs_f64();
        page.push(Section::Text(format!(
            "{seconds:.1} s in total. Next, your own data:\n  limpid data describe PATH\n  limpid train \
             --data PATH --split ratio:70/10/20@7 -o model/"
        )));
        let answer = Quickstart {
            schema: "limpid.quickstart/1",
            evaluations,
            list,
            why,
            why_not,
            seconds,
        };
        output.answer(&answer, page)
    }
}

fn heading(command: &str) -> Section {
    Section::Code(format!("$ {command}"))
}

fn measure(advisor: &Advisor) -> Result<Measured> {
    let options = MeasureOptions {
        metrics: METRICS
            .iter()
            .map(|m| m.parse())
            .collect::<Result<_, _>>()?,
        ..MeasureOptions::default()
    };
    Ok(advisor.evaluate(&options, &NoProgress)?)
}

/// A user with a history of median length.
fn typical_user(advisor: &Advisor) -> Result<String> {
    let train = &advisor.split()?.train;
    let mut rows: Vec<(usize, usize)> = train
        .rows()
        .enumerate()
        .map(|(r, h)| (h.len(), r))
        .collect();
    rows.sort_unstable();
    let &(_, row) = rows.get(rows.len() / 2).context("the data have no users")?;
    let user = train.users()[row].context("a training row has no user")?;
    Ok(advisor.catalogue.users.name(user.0).to_owned())
}
