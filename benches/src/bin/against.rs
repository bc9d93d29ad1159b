//! Our side of the comparisons with the scripts in `benches/peers`; `benches/against.sh` runs both.
//! It prints lines of `name<TAB>seconds or value`, as the scripts do.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, Subcommand};
use limpid::core::{Edits, Mat, NoProgress, Recommender};
use limpid::data::Split;
use limpid::eval::{Bootstrap, MaskName, MetricAt, Protocol, evaluate_scores};
use limpid::models::Config;
use limpid::{Advisor, DataSource, Filter, Prepared, SplitFrom, TrainOptions, Who, train};
use limpid_benches::{SPLIT, peak_memory_mb};

#[derive(Parser)]
#[command(about = "limpid's side of the comparisons in benches/against.sh")]
struct Cli {
    #[command(subcommand)]
    what: What,
    /// Threads
    #[arg(long, global = true, default_value_t = 2)]
    threads: usize,
}

#[derive(Subcommand)]
enum What {
    /// Fit a model on a split folder: seconds of the fit, and ndcg@20
    Fit {
        split: PathBuf,
        #[arg(long, default_value = "ease")]
        model: String,
        #[arg(long)]
        set: Vec<String>,
    },
    /// ndcg and recall at 5, 10, 20 of a matrix of scores, rows and columns by sorted external ids
    Measure { scores: PathBuf, split: PathBuf },
    /// Read and split a data set
    Load { data: PathBuf },
    /// Score all training users of a saved model, in blocks of 512
    Score { model: PathBuf },
    /// Open a saved model, then one recommendation with its ledger for every user
    Answer { model: PathBuf },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    limpid::set_threads(cli.threads)?;
    match cli.what {
        What::Fit { split, model, set } => fit(&split, &Config::named(&model)?.set(&set)?),
        What::Measure { scores, split } => measure(&scores, &split),
        What::Load { data } => load(&data),
        What::Score { model } => score(&model),
        What::Answer { model } => answer(&model),
    }
}

#[allow(clippy::print_stdout)]
fn say(name: &str, value: impl std::fmt::Display) {
    println!("{name}\t{value}");
}

fn metrics() -> Result<Vec<MetricAt>> {
    let names = [
        "ndcg@5",
        "ndcg@10",
        "ndcg@20",
        "recall@5",
        "recall@10",
        "recall@20",
    ];
    Ok(names.iter().map(|n| n.parse()).collect::<Result<_, _>>()?)
}

fn protocol<'a>(split: &'a Split, metrics: Vec<MetricAt>) -> Protocol<'a> {
    Protocol {
        mask_name: MaskName::Train,
        breakdowns: false,
        bootstrap: Bootstrap {
            resamples: 0,
            ..Bootstrap::default()
        },
        ..Protocol::new(&split.train, &split.test.target, &split.catalogue, metrics)
    }
}

fn fit(folder: &Path, config: &Config) -> Result<()> {
    let prepared = Prepared::of_folder(folder)?;
    let split = prepared.split.clone();
    let started = Instant::now();
    let advisor = train(prepared, config, &TrainOptions::seeded(1), &NoProgress)?;
    let fitted = started.elapsed();
    let started = Instant::now();
    let scores = advisor.model.score(&split.train);
    let scored = started.elapsed();
    let started = Instant::now();
    let report = evaluate_scores(&scores, &protocol(&split, metrics()?))?;
    let measured = started.elapsed();
    say("fit", format!("{:.3} s", fitted.as_secs_f64()));
    say("score", format!("{:.3} s", scored.as_secs_f64()));
    say("measure", format!("{:.3} s", measured.as_secs_f64()));
    for m in &report.metrics {
        say(&m.metric.to_string(), format!("{:.5}", m.value));
    }
    Ok(())
}

fn measure(scores: &Path, folder: &Path) -> Result<()> {
    let split = Prepared::of_folder(folder)?.split;
    let raw = read_npy(scores)?;
    let order = |names: &[String]| {
        let mut sorted: Vec<usize> = (0..names.len()).collect();
        sorted.sort_by(|&a, &b| names[a].cmp(&names[b]));
        let mut place = vec![0; names.len()];
        for (at, &name) in sorted.iter().enumerate() {
            place[name] = at;
        }
        place
    };
    let (users, items) = (
        order(split.catalogue.users.names()),
        order(split.catalogue.items.names()),
    );
    ensure!(
        raw.dim() == (users.len(), items.len()),
        "the scores are {:?}",
        raw.dim()
    );
    let rows = split.train.users();
    let ours = Mat::from_shape_fn((rows.len(), items.len()), |(row, item)| {
        raw[[rows[row].map_or(0, |u| users[u.at()]), items[item]]]
    });
    let protocol = protocol(&split, metrics()?);
    let mut seconds = Vec::new();
    let mut last = None;
    for _ in 0..5 {
        let started = Instant::now();
        last = Some(evaluate_scores(&ours, &protocol)?);
        seconds.push(started.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    for m in &last.context("five runs were made")?.metrics {
        say(&m.metric.to_string(), format!("{:.6}", m.value));
    }
    say(
        "seconds",
        format!("best {:.4}\tmedian {:.4}\truns 5", seconds[0], seconds[2]),
    );
    Ok(())
}

/// Reads a two-dimensional `.npy` file of float32 in C order.
fn read_npy(path: &Path) -> Result<Mat> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(
        bytes.len() > 10 && bytes.starts_with(b"\x93NUMPY"),
        "no .npy file"
    );
    ensure!(bytes[6] == 1, "only version 1 of .npy is read");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(bytes.get(10..10 + length).context("cut off")?)?;
    ensure!(
        header.contains("'<f4'") && header.contains("False"),
        "not float32 in C order: {header}"
    );
    let shape = header
        .split('(')
        .nth(1)
        .and_then(|s| s.split(')').next())
        .context("no shape")?;
    let shape: Vec<usize> = shape
        .split(',')
        .filter_map(|n| n.trim().parse().ok())
        .collect();
    let &[rows, columns] = shape.as_slice() else {
        bail!("not two-dimensional: {shape:?}")
    };
    let numbers: Vec<f32> = bytes[10 + length..]
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    Ok(Mat::from_shape_vec((rows, columns), numbers)?)
}

fn load(data: &Path) -> Result<()> {
    let started = Instant::now();
    let source = DataSource {
        path: data.to_owned(),
        ..DataSource::default()
    };
    let prepared = Prepared::read(&source, &SplitFrom::Spec(SPLIT.parse()?))?;
    say(
        "load and split",
        format!("{:.3} s", started.elapsed().as_secs_f64()),
    );
    say("events", prepared.split.train.n_events());
    say(
        "peak memory",
        format!("{} MB", peak_memory_mb().unwrap_or(0)),
    );
    Ok(())
}

fn score(model: &Path) -> Result<()> {
    let advisor = Advisor::open(model)?;
    let users = &advisor
        .split
        .as_ref()
        .context("the folder holds no histories")?
        .train;
    let mut times = Vec::new();
    for _ in 0..7 {
        let started = Instant::now();
        for from in (0..users.len()).step_by(512) {
            let block = users.slice(from, (from + 512).min(users.len()));
            std::hint::black_box(advisor.model.score(&block));
        }
        times.push(started.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    say(
        "score all users, median of 7",
        format!("{:.3} s", times[times.len() / 2]),
    );
    Ok(())
}

fn answer(model: &Path) -> Result<()> {
    let started = Instant::now();
    let advisor = Advisor::open(model)?;
    say(
        "open",
        format!("{:.1} ms", started.elapsed().as_secs_f64() * 1e3),
    );
    let users: Vec<String> = advisor
        .catalogue
        .users
        .names()
        .iter()
        .take(2000)
        .cloned()
        .collect();
    let (filter, none) = (Filter::default(), Edits::none());
    let mut times = Vec::with_capacity(users.len());
    for user in users {
        let who = Who::user(user);
        let started = Instant::now();
        let list = advisor.recommend(&who, 10, &filter, &none)?;
        if let Some(first) = list.items.first() {
            advisor.explain(&who, &first.item.id, &none, false)?;
        }
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    say(
        "recommend 10 + ledger, median",
        format!("{:.3} ms", at(0.5)),
    );
    say("recommend 10 + ledger, p99", format!("{:.3} ms", at(0.99)));
    Ok(())
}
