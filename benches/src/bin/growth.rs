//! Scaling of the cost of a fit: seconds and peak memory against interactions and items, on synthetic data;
//! of an epoch of LIA, also against rules; and of a dictionary over eigen.
//!
//! Each size runs in a separate process, so that peak memory is measured per size.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use limpid::core::NoProgress;
use limpid::data::synthetic;
use limpid::models::Config;
use limpid::plot::{Axis, Curve, Curves, curves};
use limpid::probe::ProbeOptions;
use limpid::{Prepared, SplitFrom, TrainOptions, train};
use limpid_benches::{cpu_seconds, peak_memory_mb};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Fit once on synthetic data of this size and print the cost
    One {
        #[arg(long)]
        users: usize,
        #[arg(long)]
        items: usize,
        #[arg(long)]
        events: usize,
        #[arg(long, default_value = "ruleslim")]
        model: String,
        #[arg(long)]
        set: Vec<String>,
    },
    /// Three series: more interactions, more items, both; a table, and a plot of each quantity
    All {
        #[arg(long, default_value = "ruleslim")]
        model: String,
        #[arg(long)]
        set: Vec<String>,
        /// Skip sizes above this number of interactions
        #[arg(long, default_value_t = 10_000_000)]
        most: usize,
        #[arg(short, long, default_value = "growth")]
        output: PathBuf,
    },
    /// Seconds and peak memory of `probe` over eigen (resamples, consensus, fillers, certificate, names), at three
    /// sizes of 100 interactions an item and 50 a user
    Probe {
        /// Settings of the dictionary, such as fresh=0
        #[arg(long)]
        set: Vec<String>,
        /// Skip sizes above this number of interactions
        #[arg(long, default_value_t = 10_000_000)]
        most: usize,
        /// Only this number of items, in this process
        #[arg(long)]
        items: Option<usize>,
    },
    /// Seconds of an epoch of LIA as published, against interactions, items and rules
    Epochs {
        #[arg(long, default_value = "paper")]
        mode: String,
        /// Skip sizes above this number of interactions
        #[arg(long, default_value_t = 10_000_000)]
        most: usize,
        #[arg(short, long, default_value = "growth")]
        output: PathBuf,
    },
}

/// The size of the data.
#[derive(Clone, Copy)]
struct Size {
    users: usize,
    items: usize,
    events: usize,
}

/// The cost of a fit.
struct Cost {
    size: Size,
    seconds: f64,
    megabytes: f64,
}

fn main() -> Result<()> {
    match Cli::parse().what {
        What::One {
            users,
            items,
            events,
            model,
            set,
        } => one(
            Size {
                users,
                items,
                events,
            },
            &Config::named(&model)?.set(&set)?,
        ),
        What::All {
            model,
            set,
            most,
            output,
        } => all(&model, &set, most, &output),
        What::Epochs { mode, most, output } => epochs(&mode, most, &output),
        What::Probe {
            set,
            items: Some(items),
            ..
        } => probe(items, &set),
        What::Probe { set, most, .. } => probes(most, &set),
    }
}

/// Views, carts and purchases for each purchase of a world with several behaviors, about.
const EVENTS_OF_A_PURCHASE: usize = 4;

fn one(size: Size, config: &Config) -> Result<()> {
    let reads = config.entry().reads;
    let world = match reads.behaviors {
        false => synthetic::Config::sized(size.users, size.items, size.events),
        true => synthetic::Config {
            chain: true,
            ..synthetic::Config::sized(size.users, size.items, size.events / EVENTS_OF_A_PURCHASE)
        },
    };
    let prepared = Prepared::synthetic_for(&world, &SplitFrom::Spec("none".parse()?), reads)?;
    let events = prepared.split.train.n_events();
    let started = Instant::now();
    let advisor = train(prepared, config, &TrainOptions::seeded(1), &NoProgress)?;
    let seconds = started.elapsed().as_secs_f64();
    drop(advisor);
    let peak = peak_memory_mb().context("this system does not report peak memory; run on Linux")?;
    say(format!("{events} {seconds:.3} {peak}"));
    Ok(())
}

fn all(model: &str, set: &[String], most: usize, output: &std::path::Path) -> Result<()> {
    let size = |users, items, events| Size {
        users,
        items,
        events,
    };
    let series: [(&str, Vec<Size>); 3] = [
        (
            "interactions (5,000 items, 50 a user)",
            [100_000, 300_000, 1_000_000, 3_000_000, 10_000_000]
                .map(|n| size(n / 50, 5_000, n))
                .to_vec(),
        ),
        (
            "items (1,000,000 interactions, 50 a user)",
            [1_000, 3_000, 10_000, 30_000, 100_000]
                .map(|n| size(20_000, n, 1_000_000))
                .to_vec(),
        ),
        (
            "both (100 interactions an item, 50 a user)",
            [1_000, 3_000, 10_000, 30_000, 100_000]
                .map(|n| size(2 * n, n, 100 * n))
                .to_vec(),
        ),
    ];
    std::fs::create_dir_all(output)?;
    let (mut times, mut memories) = (Vec::new(), Vec::new());
    say(format!("{model} {}", set.join(" ")));
    for (name, sizes) in series {
        let by_items = name.starts_with("items");
        let mut costs = Vec::new();
        for size in sizes.into_iter().filter(|s| s.events <= most) {
            let cost = apart(size, model, set)?;
            say(format!(
                "{name}\t{} users\t{} items\t{} events\t{:.2} s\t{:.0} MB",
                size.users, size.items, cost.size.events, cost.seconds, cost.megabytes
            ));
            costs.push(cost);
        }
        let x = |c: &Cost| match by_items {
            true => c.size.items as f64,
            false => c.size.events as f64,
        };
        let exponent = |y: fn(&Cost) -> f64| slope(costs.iter().map(|c| (x(c), y(c))));
        let (t, m) = (exponent(|c| c.seconds), exponent(|c| c.megabytes));
        say(format!(
            "{name}\texponent of seconds {t:.2}, of memory {m:.2}"
        ));
        for (curves, y, exponent) in [
            (&mut times, (|c: &Cost| c.seconds) as fn(&Cost) -> f64, t),
            (&mut memories, |c: &Cost| c.megabytes, m),
        ] {
            curves.push(Curve {
                name: format!("{name}: power {exponent:.2}"),
                points: costs.iter().map(|c| (x(c), y(c))).collect(),
                pale: false,
            });
        }
    }
    for (file, y, found) in [
        ("seconds.svg", "seconds of the fit", times),
        ("memory.svg", "peak memory in MB", memories),
    ] {
        let picture = Curves {
            title: format!("{model}: scaling of the cost of a fit"),
            x: "interactions (or items, where only they grow)".to_owned(),
            y: y.to_owned(),
            axes: Axis::Log,
            curves: found,
        };
        std::fs::write(output.join(file), curves(&picture)?)?;
    }
    Ok(())
}

/// A dictionary over eigen on synthetic data of this many items.
fn probe(items: usize, settings: &[String]) -> Result<()> {
    let world = synthetic::Config::sized(2 * items, items, 100 * items);
    let prepared = Prepared::synthetic(&world, &SplitFrom::Spec("none".parse()?))?;
    let events = prepared.split.train.n_events();
    let config = Config::named("eigen")?;
    let started = Instant::now();
    let base = train(prepared, &config, &TrainOptions::seeded(1), &NoProgress)?;
    let (base_seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds());
    let options = ProbeOptions {
        settings: settings.to_vec(),
        ..ProbeOptions::default()
    };
    let started = Instant::now();
    let (knobs, _) = base.probe(&options, &NoProgress)?;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = cpu_seconds() - cpu;
    let peak = peak_memory_mb().context("this system does not report peak memory; run on Linux")?;
    let found = knobs.model.knobs().map_or(0, |k| k.dictionary().knobs);
    say(format!(
        "{} users\t{items} items\t{events} events\teigen {base_seconds:.1} s\tprobe {seconds:.1} s, {cpu:.1} s of \
         CPU time\t{peak} MB\t{found} knobs",
        2 * items
    ));
    Ok(())
}

fn probes(most: usize, settings: &[String]) -> Result<()> {
    for items in [1_000, 10_000, 100_000]
        .into_iter()
        .filter(|n| 100 * n <= most)
    {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["probe", "--items", &items.to_string()]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        ensure!(command.status()?.success(), "{items} items: see above");
    }
    Ok(())
}

/// Epochs of the shorter and the longer of two fits, which differ only in epochs.
const EPOCHS: [usize; 2] = [1, 4];

fn epochs(mode: &str, most: usize, output: &std::path::Path) -> Result<()> {
    let size = |items, events| Size {
        users: events / 50,
        items,
        events,
    };
    let series: [(&str, Vec<(Size, usize)>); 4] = [
        (
            "interactions (5,000 items, 1,000 rules)",
            [1_000_000, 3_000_000, 10_000_000]
                .map(|n| (size(5_000, n), 1_000))
                .to_vec(),
        ),
        (
            "items, all scored (1,000,000 interactions, 1,000 rules)",
            [2_000, 6_000, 20_000]
                .map(|n| (size(n, 1_000_000), 1_000))
                .to_vec(),
        ),
        (
            "items, 4,096 scored (1,000,000 interactions, 1,000 rules)",
            [20_001, 50_000, 100_000]
                .map(|n| (size(n, 1_000_000), 1_000))
                .to_vec(),
        ),
        (
            "rules (1,000,000 interactions, 5,000 items)",
            [250, 1_000, 4_000]
                .map(|rules| (size(5_000, 1_000_000), rules))
                .to_vec(),
        ),
    ];
    std::fs::create_dir_all(output)?;
    let mut found = Vec::new();
    for (name, sizes) in series {
        let mut points = Vec::new();
        for (size, rules) in sizes.into_iter().filter(|(s, _)| s.events <= most) {
            let fit = |epochs: usize| {
                let set = [
                    format!("mode={mode}"),
                    format!("rules={rules}"),
                    format!("epochs={epochs}"),
                ];
                apart(size, "lia", &set)
            };
            let (short, long) = (fit(EPOCHS[0])?, fit(EPOCHS[1])?);
            let seconds = (long.seconds - short.seconds) / (EPOCHS[1] - EPOCHS[0]) as f64;
            say(format!(
                "{name}\t{} users\t{} items\t{} events\t{rules} rules\t{seconds:.2} s an epoch\t{:.0} MB",
                size.users, size.items, long.size.events, long.megabytes
            ));
            let x = match name {
                _ if name.starts_with("items") => size.items,
                _ if name.starts_with("rules") => rules,
                _ => long.size.events,
            };
            points.push((x as f64, seconds));
        }
        let power = slope(points.iter().copied());
        say(format!("{name}\texponent of an epoch {power:.2}"));
        found.push(Curve {
            name: format!("{name}: power {power:.2}"),
            points,
            pale: false,
        });
    }
    let picture = Curves {
        title: format!("LIA ({mode}): scaling of the cost of an epoch"),
        x: "interactions, items or rules".to_owned(),
        y: "seconds of an epoch".to_owned(),
        axes: Axis::Log,
        curves: found,
    };
    std::fs::write(output.join("epochs.svg"), curves(&picture)?)?;
    Ok(())
}

#[allow(clippy::print_stdout)]
fn say(line: String) {
    println!("{line}");
}

/// Runs one size in a separate process.
fn apart(size: Size, model: &str, set: &[String]) -> Result<Cost> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("one").args(["--model", model]);
    for (name, value) in [
        ("--users", size.users),
        ("--items", size.items),
        ("--events", size.events),
    ] {
        command.args([name, &value.to_string()]);
    }
    for setting in set {
        command.args(["--set", setting]);
    }
    let found = command.output()?;
    let error = String::from_utf8_lossy(&found.stderr);
    ensure!(
        found.status.success(),
        "{} items, {} events: {error}",
        size.items,
        size.events
    );
    let text = String::from_utf8(found.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || {
        numbers
            .next()
            .context("the output of the process has too few numbers")?
            .context("the output of the process is not a number")
    };
    let (events, seconds, megabytes) = (next()?, next()?, next()?);
    Ok(Cost {
        size: Size {
            events: events as usize,
            ..size
        },
        seconds,
        megabytes,
    })
}

/// The exponent of a power law fitted to points: the slope of the least squares line of the logarithms.
fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let logs: Vec<(f64, f64)> = points.map(|(x, y)| (x.ln(), y.max(1e-9).ln())).collect();
    let n = logs.len() as f64;
    let (mx, my) = (
        logs.iter().map(|p| p.0).sum::<f64>() / n,
        logs.iter().map(|p| p.1).sum::<f64>() / n,
    );
    let covariance: f64 = logs.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let variance: f64 = logs.iter().map(|p| (p.0 - mx).powi(2)).sum();
    covariance / variance
}
