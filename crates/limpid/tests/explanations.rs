//! Readability and faithfulness of models on a synthetic world, and the planted rules that are found.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use limpid::core::{Edits, NoProgress};
use limpid::data::synthetic::{self, World};
use limpid::eval::faithfulness::Faithfulness;
use limpid::eval::readability::Readability;
use limpid::models::Config;
use limpid::{DataSource, Filter, MeasureOptions, Prepared, SplitFrom, TrainOptions, Who, train};

fn measured(model: &str) -> (Readability, Faithfulness) {
    let split = SplitFrom::Spec("ratio:70/10/20@7".parse().unwrap());
    let prepared = Prepared::synthetic(&synthetic::Config::default(), &split).unwrap();
    let config = Config::named(model).unwrap();
    let advisor = train(prepared, &config, &TrainOptions::default(), &NoProgress).unwrap();
    let options = MeasureOptions {
        readability: true,
        faithfulness: true,
        explained_users: 300,
        ..MeasureOptions::default()
    };
    let measured = advisor.evaluate(&options, &NoProgress).unwrap();
    (
        measured.readability.unwrap(),
        measured.faithfulness.unwrap(),
    )
}

#[test]
fn ledgers_are_short_and_items_fall_without_what_they_cite() {
    for model in ["ruleslim", "ease", "itemknn", "slim", "lia"] {
        let (r, f) = measured(model);
        assert!(
            r.n_users > 250 && r.n_users + r.n_without_evidence <= 300,
            "{model}: {r:?}"
        );
        assert!(f.additivity_error < 1e-5, "{model}: {}", f.additivity_error);
        assert!(f.drop.mean > f.random_drop.mean, "{model}: {f:?}");
        assert!(
            f.comprehensiveness.mean > f.random_comprehensiveness.mean,
            "{model}: {f:?}"
        );
        assert!(
            f.sufficiency.mean < f.random_sufficiency.mean,
            "{model}: {f:?}"
        );
        assert!(r.lines.mean <= r.entries.mean, "{model}: {r:?}");
        let s = &r.shapes;
        let shares = [
            s.single,
            s.single_not,
            s.and,
            s.and_not,
            s.or,
            s.at_least,
            s.not,
            s.other,
        ];
        assert!(
            (shares.iter().sum::<f64>() - 1.0).abs() < 1e-9,
            "{model}: {s:?}"
        );
        assert!(s.most_literals <= 4, "{model}: {s:?}");
    }
}

/// In a linear model the score is the sum of the scores of the cited items and of the others, so
/// comprehensiveness and sufficiency add up to 1.
#[test]
fn the_shares_of_a_linear_model_make_one() {
    for model in ["ease", "itemknn", "slim"] {
        let (_, f) = measured(model);
        let sum = f.comprehensiveness.mean + f.sufficiency.mean;
        assert!((sum - 1.0).abs() < 1e-4, "{model}: {sum}");
    }
}

/// The words of a line have the title of every event that it cites; they say "not" only of an item that
/// would lower the score, and a change that they state is one of the alternatives.
#[test]
fn words_name_all_that_is_cited() {
    for model in ["ruleslim", "lia", "ease"] {
        let split = SplitFrom::Spec("ratio:70/10/20@7".parse().unwrap());
        let prepared = Prepared::synthetic(&synthetic::Config::default(), &split).unwrap();
        let config = Config::named(model).unwrap();
        let advisor = train(prepared, &config, &TrainOptions::default(), &NoProgress).unwrap();
        let (mut several, mut told) = (0, 0);
        for user in advisor.catalogue.users.names().iter().take(40) {
            let (who, none) = (Who::user(user.as_str()), Edits::none());
            let list = advisor.recommend(&who, 3, &Filter::default(), &none);
            for item in list.unwrap().items {
                let id = format!("id:{}", item.item.id);
                let why = advisor.explain(&who, &id, &none, false).unwrap();
                for part in &why.ledger.parts {
                    for event in part.cites.iter() {
                        assert!(part.text.contains(&event.item.title), "{model}: {part:?}");
                    }
                    several += usize::from(part.cites.len() > 1);
                    let definition = part.definition.as_deref().unwrap_or_default();
                    for other in &part.alternatives {
                        let negated = format!("not {}", other.item.title);
                        let says = definition.contains(&negated);
                        assert!(!says || other.change < 0.0, "{model}: {part:?}");
                        let adds = format!("{} too would add", other.item.title);
                        told += usize::from(definition.contains(&adds));
                    }
                }
            }
        }
        let grouped = model == "ruleslim";
        assert!(
            !grouped || several > 50 && told > 50,
            "{model}: {several}, {told}"
        );
    }
}

#[test]
fn popularity_has_nothing_to_delete() {
    // Its score is all base, the same for all users: no part, and nothing of the history is cited.
    let (r, f) = measured("popularity");
    assert_eq!((r.entries.median, r.shapes.other, f.n_users), (0.0, 0.0, 0));
}

/// The planted world in three seeds: LIA finds AND, OR and NOT in its default setting.
#[test]
fn planted_rules_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut sum = 0.0;
    for seed in 1..=3 {
        let config = synthetic::Config {
            seed,
            ..synthetic::Config::planted()
        };
        let path = folder.path().join(seed.to_string());
        World::generate(&config).unwrap().write(&path).unwrap();
        let source = DataSource {
            path: path.clone(),
            ..DataSource::default()
        };
        let all = SplitFrom::Spec("none".parse().unwrap());
        let prepared = Prepared::read(&source, &all).unwrap();
        let lia = Config::named("lia").unwrap();
        let advisor = train(prepared, &lia, &TrainOptions::default(), &NoProgress).unwrap();
        let found = advisor.planted(&path).unwrap();
        assert!(found.recall >= 0.9, "seed {seed}: {}", found.recall);
        sum += found.f1;
    }
    assert!(sum / 3.0 >= 0.8, "F1 {}", sum / 3.0);
}
