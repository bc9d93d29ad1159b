//! How many fabricated answers of language models are refused, and how many faithful paraphrases are accepted.
//!
//!     cargo run --release -p limpid-benches --bin refusals

use anyhow::{Result, ensure};
use clap::Parser;
use limpid_benches::refusals::{Dice, Patterns, evidence, fabrications, paraphrases};

#[derive(Parser)]
struct Args {
    /// Number of fabricated answers
    #[arg(long, default_value_t = 2000)]
    fabricated: usize,
    /// Number of paraphrases of each set of patterns
    #[arg(long, default_value_t = 500)]
    paraphrases: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print the answers that were decided wrongly
    #[arg(long)]
    wrong: bool,
}

#[expect(clippy::print_stdout, reason = "the report")]
fn main() -> Result<()> {
    let args = Args::parse();
    let all = evidence(40)?;
    let mut dice = Dice::new(args.seed);
    let lies = fabrications(&all, args.fabricated, &mut dice)?;
    println!("{:<24} {:>6} {:>8}", "fabricated", "n", "refused");
    for count in &lies {
        println!("{:<24} {:>6} {:>8}", count.name, count.n, count.refused);
    }
    let refused: usize = lies.iter().map(|c| c.refused).sum();
    println!("{:<24} {:>6} {:>8}", "all", args.fabricated, refused);
    let mut enough = refused as f64 >= 0.995 * args.fabricated as f64;
    println!("{:<24} {:>6} {:>8}", "paraphrases", "n", "accepted");
    let mut wrong: Vec<String> = lies.into_iter().flat_map(|c| c.wrong).collect();
    for patterns in [Patterns::Known, Patterns::HeldOut] {
        let count = paraphrases(&all, patterns, args.paraphrases, &mut dice)?;
        let accepted = count.n - count.refused;
        println!("{:<24} {:>6} {:>8}", count.name, count.n, accepted);
        if patterns == Patterns::Known {
            enough &= accepted as f64 >= 0.95 * count.n as f64;
        }
        wrong.extend(count.wrong);
    }
    if args.wrong {
        wrong.iter().for_each(|one| println!("{one}"));
    }
    ensure!(
        enough,
        "below 99.5 % of the fabricated answers or 95 % of the paraphrases"
    );
    Ok(())
}
