//! Measures why-not answers: how many items just below a list enter it with how few changes, and how long
//! an answer takes. Every answer is replayed here once more, without the code of the search.
//!
//!     cargo run --release -p limpid-benches --bin why_not -- data/ml-100k ruleslim ease

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use limpid::answers::WhyNot;
use limpid::core::{Edits, Histories, Mask, NoProgress, Recommender, rank_of, top_k};
use limpid::insight::Search;
use limpid::models::Config;
use limpid::{Advisor, DataSource, Filter, Prepared, SplitFrom, TrainOptions, Who, train};
use limpid_benches::SPLIT;
use limpid_tensor::Rng;

#[derive(Parser)]
#[command(about = "Measure why-not answers for items just below the list")]
struct Cli {
    /// Data set
    data: PathBuf,
    /// Models, with settings after a colon: ruleslim:preset=accurate
    #[arg(default_values = ["ruleslim", "ease"])]
    models: Vec<String>,
    /// Split
    #[arg(long, default_value = SPLIT)]
    split: String,
    /// Number of questions
    #[arg(long, default_value_t = 200)]
    questions: usize,
    /// Length of the list
    #[arg(short, default_value_t = 10)]
    n: usize,
    /// Lowest rank that is asked for
    #[arg(long, default_value_t = 60)]
    last: usize,
    /// Maximum number of events in a change
    #[arg(long, default_value_t = 3)]
    max_edits: usize,
    /// Seed of the questions
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print every answer
    #[arg(long)]
    all: bool,
}

#[allow(clippy::print_stdout)]
fn main() -> Result<()> {
    let cli = Cli::parse();
    limpid::set_threads(cli.threads)?;
    println!(
        "| model | questions | 1 event | 2 | 3 | more | answered | additions | removals | mixed | makes \
         room | proven | replayed | CPU ms: median, 95 %, longest | ms |"
    );
    println!("|{}", "---|".repeat(15));
    for text in &cli.models {
        let (name, settings) = text.split_once(':').unwrap_or((text, ""));
        let settings: Vec<&str> = settings.split(',').filter(|s| !s.is_empty()).collect();
        let config = Config::named(name)?.set(&settings)?;
        let source = DataSource {
            path: cli.data.clone(),
            ..DataSource::default()
        };
        let split = SplitFrom::Spec(cli.split.parse()?);
        let prepared = Prepared::read(&source, &split)?;
        let advisor = train(prepared, &config, &TrainOptions::seeded(1), &NoProgress)?;
        println!("| {text} {}", Row::measure(&advisor, &cli)?.cells());
    }
    Ok(())
}

/// The answers of one model.
#[derive(Default)]
struct Row {
    questions: usize,
    /// By the events of the smallest change: 1, 2, 3, more.
    sizes: [usize; 4],
    additions: usize,
    removals: usize,
    mixed: usize,
    room: usize,
    proven: usize,
    shown: usize,
    replayed: usize,
    ms: Vec<f64>,
    cpu_ms: Vec<f64>,
}

/// CPU time of all threads in seconds, which hardly depends on other load of the machine; 0 if the system
/// does not report it.
fn cpu_time() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let of_thread = |thread: std::fs::DirEntry| -> Option<f64> {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let nanoseconds = threads.flatten().filter_map(of_thread).sum::<f64>();
    nanoseconds / 1e9
}

impl Row {
    #[allow(clippy::print_stdout)]
    fn measure(advisor: &Advisor, cli: &Cli) -> Result<Self> {
        let train = &advisor.split()?.train;
        let mut rng = Rng::new(cli.seed, 0);
        let mut row = Self::default();
        while row.questions < cli.questions {
            let u = rng.below(train.len());
            let rank = cli.n + 1 + rng.below(cli.last - cli.n);
            let history = train.row(u);
            let Some(user) = history.user.filter(|_| !history.is_empty()) else {
                continue;
            };
            let mut mask = Mask::none(advisor.catalogue.len());
            mask.hide(history.items.iter().copied());
            let scores = advisor.model.score(&train.slice(u, u + 1));
            let scores = scores.row(0).to_vec();
            let list = top_k(&scores, &mask, advisor.tie_breaks(), rank);
            let Some(item) = list.get(rank - 1) else {
                continue;
            };
            let id = format!("id:{}", advisor.catalogue.id(item.item));
            let who = Who::user(advisor.catalogue.users.name(user.0));
            let limits = Search {
                max_edits: cli.max_edits,
                ..Search::default()
            };
            let (start, cpu) = (Instant::now(), cpu_time());
            let none = Edits::none();
            let answer = advisor.why_not(&who, &id, cli.n, &Filter::default(), &none, limits)?;
            row.ms.push(start.elapsed().as_secs_f64() * 1e3);
            row.cpu_ms.push((cpu_time() - cpu) * 1e3);
            if cli.all {
                println!("{}", told(&answer, rank));
            }
            row.count(advisor, &who, &answer)?;
        }
        Ok(row)
    }

    fn count(&mut self, advisor: &Advisor, who: &Who, answer: &WhyNot) -> Result<()> {
        self.questions += 1;
        let all = &answer.counterfactuals;
        let size = |at: usize| all[at].add.len() + all[at].remove.len();
        if !all.is_empty() {
            self.sizes[size(0).clamp(1, 4) - 1] += 1;
            let any = |adds: bool, removes: bool| {
                let kind = |c: &limpid::answers::CounterfactualAnswer| {
                    (!c.add.is_empty(), !c.remove.is_empty()) == (adds, removes)
                };
                usize::from(all.iter().any(kind))
            };
            self.additions += any(true, false);
            self.removals += any(false, true);
            self.mixed += any(true, true);
            self.room += usize::from(all[0].makes_room);
            self.proven += usize::from(all[0].smallest == "proven smallest");
        }
        for c in all {
            let catalogue = &advisor.catalogue;
            let find = |id: &str| catalogue.find(&format!("id:{id}"));
            let mut history = advisor.history(who)?.anonymous();
            for item in &c.remove {
                history.remove(find(&item.item.id)?);
            }
            for item in &c.add {
                history.add(find(&item.item.id)?, catalogue.target_behavior);
            }
            let scores = advisor
                .model
                .score(&Histories::single(history.view(), catalogue.len()));
            let mut mask = Mask::none(catalogue.len());
            mask.hide(history.view().items.iter().copied());
            let item = find(&answer.item.item.id)?;
            let scores = scores.row(0).to_vec();
            let rank = rank_of(&scores, &mask, advisor.tie_breaks(), item);
            self.shown += 1;
            self.replayed += usize::from(rank == c.rank && rank <= answer.n);
        }
        Ok(())
    }

    fn cells(mut self) -> String {
        self.ms.sort_by(f64::total_cmp);
        self.cpu_ms.sort_by(f64::total_cmp);
        let share = |n: usize| format!("{:.1} %", 100.0 * n as f64 / self.questions as f64);
        let at = |ms: &[f64], q: f64| ms[((ms.len() - 1) as f64 * q).round() as usize];
        let three_of = |ms: &[f64]| {
            let [median, most, longest] = [0.5, 0.95, 1.0].map(|q| at(ms, q));
            format!("{median:.0}, {most:.0}, {longest:.0}")
        };
        let [one, two, three, more] = self.sizes;
        let answered = one + two + three + more;
        format!(
            "| {} | {one} | {two} | {three} | {more} | {} | {} | {} | {} | {} | {} of {answered} | {} of {} \
             | {} | {} |",
            self.questions,
            share(answered),
            self.additions,
            self.removals,
            self.mixed,
            self.room,
            self.proven,
            self.replayed,
            self.shown,
            three_of(&self.cpu_ms),
            three_of(&self.ms),
        )
    }
}

/// One answer in one line.
fn told(answer: &WhyNot, rank: usize) -> String {
    let changes: Vec<String> = answer
        .counterfactuals
        .iter()
        .map(|c| {
            let add = c.add.iter().map(|i| format!("+{}", i.text()));
            let remove = c.remove.iter().map(|i| format!("-{}", i.text()));
            let edits: Vec<String> = add.chain(remove).collect();
            format!(
                "[{} ({:.1}, {})]",
                edits.join(" "),
                c.plausibility,
                c.smallest
            )
        })
        .collect();
    format!(
        "rank {rank} {}: {} (ruled out {}, replayed {})",
        answer.item.item.title,
        changes.join(" "),
        answer.ruled_out,
        answer.replayed
    )
}
