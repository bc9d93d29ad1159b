//! limpid's side of the comparisons with the scripts in `benches/peers`; `benches/against.sh` runs both.
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
use limpid_benches::{SPLIT, cpu_seconds, peak_memory_mb};
use limpid_tensor::Rng;
use limpid_tensor::matmul::{Factor, product};

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
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Fits; the fastest counts
        #[arg(long, default_value_t = 1)]
        runs: usize,
        /// Evaluate on validation data instead of test data
        #[arg(long)]
        validation: bool,
    },
    /// Dense products in the shapes of training, compared with faer: median milliseconds and ratio
    Products,
    /// ndcg and recall at 5, 10, 20 of a matrix of scores, rows and columns by sorted external ids
    Measure { scores: PathBuf, split: PathBuf },
    /// Read and split a data set
    Load { data: PathBuf },
    /// Score all training users of a saved model, in blocks of 512
    Score { model: PathBuf },
    /// Open a saved model, then one recommendation with its ledgers for every user
    Answer {
        model: PathBuf,
        /// Edits of units, such as 'film noir~0.3'; repeat for more
        #[arg(long)]
        edit: Vec<String>,
        /// Passes over the users; the fastest of each user counts, so that other load on the machine
        /// has less influence
        #[arg(long, default_value_t = 1)]
        passes: usize,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    limpid::set_threads(cli.threads)?;
    match cli.what {
        What::Fit {
            split,
            model,
            set,
            seed,
            runs,
            validation,
        } => fit(
            &split,
            &Config::named(&model)?.set(&set)?,
            &TrainOptions::seeded(seed),
            runs,
            validation,
        ),
        What::Products => products(),
        What::Measure { scores, split } => measure(&scores, &split),
        What::Load { data } => load(&data),
        What::Score { model } => score(&model),
        What::Answer {
            model,
            edit,
            passes,
        } => answer(&model, &Edits::parse(&edit)?, passes),
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

fn fit(
    folder: &Path,
    config: &Config,
    options: &TrainOptions,
    runs: usize,
    validation: bool,
) -> Result<()> {
    let prepared = Prepared::of_folder(folder)?;
    let split = prepared.split.clone();
    let (mut seconds, mut busy) = (f64::INFINITY, f64::INFINITY);
    let mut advisor = None;
    for _ in 0..runs {
        let (started, at) = (Instant::now(), cpu_seconds());
        advisor = Some(train(prepared.clone(), config, options, &NoProgress)?);
        seconds = seconds.min(started.elapsed().as_secs_f64());
        busy = busy.min(cpu_seconds() - at);
    }
    let advisor = advisor.context("--runs must be 1 or more")?;
    let started = Instant::now();
    let scores = advisor.model.score(&split.train);
    let scored = started.elapsed();
    let started = Instant::now();
    let mut protocol = protocol(&split, metrics()?);
    if validation {
        protocol.target = &split.validation.target;
    }
    let report = evaluate_scores(&scores, &protocol)?;
    let measured = started.elapsed();
    say("fit", format!("{seconds:.3} s"));
    say("cpu", format!("{busy:.3} s"));
    say("score", format!("{:.3} s", scored.as_secs_f64()));
    say("measure", format!("{:.3} s", measured.as_secs_f64()));
    for m in &report.metrics {
        say(&m.metric.to_string(), format!("{:.5}", m.value));
    }
    Ok(())
}

/// Each product of a training step by [`product`] and by faer on its own matrices (column-major,
/// its preferred layout, with the same number of threads), alternately.
fn products() -> Result<()> {
    use faer::linalg::matmul::matmul;
    use faer::{Accum, Mat, Par};
    const ROUNDS: usize = 15;
    let mut rng = Rng::new(1, 0);
    let mut numbers = |n: usize| rng.uniforms(n, -0.5, 0.5);
    // Users of a batch B, items I, rules R, hidden units H of ML-1M.
    let (b, i, r, h) = (512, 3706, 1000, 600);
    let shapes = [
        ("scores of rules: (B, R) (R, I)ᵀ", b, r, i, false, true),
        (
            "gradient of their weights: (B, I)ᵀ (B, R)",
            i,
            b,
            r,
            true,
            false,
        ),
        ("gradient of rules: (B, I) (I, R)", b, i, r, false, false),
        ("layer of a network: (B, H) (H, I)", b, h, i, false, false),
        (
            "gradient of its weights: (B, H)ᵀ (B, I)",
            h,
            b,
            i,
            true,
            false,
        ),
        (
            "gradient of its input: (B, I) (H, I)ᵀ",
            b,
            i,
            h,
            false,
            true,
        ),
    ];
    for (name, m, k, n, left, right) in shapes {
        let (x, y) = (numbers(m * k), numbers(k * n));
        let a = if left {
            Factor::new(&x, k, m).t()
        } else {
            Factor::new(&x, m, k)
        };
        let c = if right {
            Factor::new(&y, n, k).t()
        } else {
            Factor::new(&y, k, n)
        };
        let mut out = vec![0f32; m * n];
        let fa = Mat::from_fn(m, k, |row, column| x[row * k + column]);
        let fc = Mat::from_fn(k, n, |row, column| y[row * n + column]);
        let mut fout = Mat::<f32>::zeros(m, n);
        let (mut ours, mut alone) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let started = Instant::now();
            product(&mut out, a, c, false);
            ours.push(started.elapsed().as_secs_f64() * 1e3);
            let started = Instant::now();
            let par = Par::rayon(rayon::current_num_threads());
            matmul(&mut fout, Accum::Replace, &fa, &fc, 1.0, par);
            alone.push(started.elapsed().as_secs_f64() * 1e3);
        }
        ours.sort_by(f64::total_cmp);
        alone.sort_by(f64::total_cmp);
        for (which, at) in [("median", ROUNDS / 2), ("best", 0)] {
            let (ours, alone) = (ours[at], alone[at]);
            say(
                name,
                format!(
                    "{which}\tfaer {alone:.2} ms\tproduct {ours:.2} ms\t{:.0} % of faer\t{:.0} GFLOP/s",
                    100.0 * alone / ours,
                    2.0 * (m * n * k) as f64 / ours / 1e6,
                ),
            );
        }
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
        "not an .npy file"
    );
    ensure!(bytes[6] == 1, "only version 1 of .npy is supported");
    let length = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(
        bytes
            .get(10..10 + length)
            .context("truncated .npy header")?,
    )?;
    ensure!(
        header.contains("'<f4'") && header.contains("False"),
        "not float32 in C order: {header}"
    );
    let shape = header
        .split('(')
        .nth(1)
        .and_then(|s| s.split(')').next())
        .context("no shape in the .npy header")?;
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
        .context("the folder contains no histories")?
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

fn answer(model: &Path, edits: &Edits, passes: usize) -> Result<()> {
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
    let filter = Filter::default();
    let mut times = vec![f64::INFINITY; users.len()];
    for _ in 0..passes {
        for (user, time) in users.iter().zip(&mut times) {
            let who = Who::user(user.clone());
            let started = Instant::now();
            let list = advisor.recommend(&who, 10, &filter, edits)?;
            if let Some(first) = list.items.first() {
                advisor.explain(&who, &first.item.id, edits, false)?;
            }
            *time = time.min(started.elapsed().as_secs_f64() * 1e3);
        }
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
