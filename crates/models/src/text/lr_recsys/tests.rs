use super::model::unit;
use super::network::{Biases, Example, Pairs, Side};
use super::*;
use limpid_core::{Artifact, Ids, Recommender, Scale, Tensors, TrainingTexts, UserIdx};
use limpid_tensor::tape::Tape;

const USERS: u32 = 40;
const ITEMS: u32 = 16;

fn is_held_out(u: u32, i: u32) -> bool {
    (u + 3 * i) % 5 == 1
}

fn likes(u: u32, i: u32) -> bool {
    u % 2 == i % 2
}

type Written = (UserIdx, ItemIdx, f32, String);

/// Even items are strings, odd ones are pedals; users rate one kind high and the other low, and reviews name the
/// kind. `own` is the review of the pair (0, 0).
fn world(own: &str) -> (Histories, Catalogue, Vec<Written>) {
    let (mut rows, mut reviews) = (Vec::new(), Vec::new());
    for u in 0..USERS {
        let mut events = Vec::new();
        for i in (0..ITEMS).filter(|&i| !is_held_out(u, i)) {
            let value = if likes(u, i) { 5.0 } else { 2.0 };
            let text = match (u, i) {
                (0, 0) => own.to_owned(),
                (_, i) if i % 2 == 0 => format!(
                    "bright guitar strings number {}",
                    "x".repeat(3 + i as usize)
                ),
                _ => format!(
                    "loud distortion pedal number {}",
                    "y".repeat(3 + i as usize)
                ),
            };
            let item = ItemIdx(i);
            events.push(Event {
                value,
                ..Event::of(item)
            });
            reviews.push((UserIdx(u), item, value, text));
        }
        rows.push(OwnedHistory::of_events(Some(UserIdx(u)), events));
    }
    let table = Histories::from_histories(rows.iter().map(OwnedHistory::view), ITEMS as usize);
    let ids = Ids::from_names((0..ITEMS).map(|i| format!("i{i}")).collect()).unwrap();
    (table.unwrap(), Catalogue::of_items(ids), reviews)
}

fn fitted(config: &Config, own: &str) -> (Histories, Model) {
    let (rows, catalogue, written) = world(own);
    let reviews: Vec<Review<'_>> = written
        .iter()
        .map(|(user, item, value, text)| Review {
            user: *user,
            item: *item,
            value: *value,
            text,
        })
        .collect();
    let training = Training {
        histories: &rows,
        catalogue: &catalogue,
    };
    let mut run = Run {
        texts: TrainingTexts {
            reviews: &reviews,
            embedder: None,
        },
        ..Run::seeded(1)
    };
    let model = config.fit(&training, &mut run).unwrap();
    (rows, model)
}

fn quick() -> Config {
    let mut config = Config {
        embedding: Embedding::Hashed,
        text_size: 16,
        code_size: 8,
        embedding_size: 8,
        hidden: 32,
        ..Config::default()
    };
    config.training.epochs = 40;
    config.training.batch_size = 32;
    config.training.learning_rate = 3e-3;
    config
}

fn rmse(rows: &Histories, model: &Model) -> f64 {
    let scores = model.score(rows);
    let held_out = (0..USERS).flat_map(|u| (0..ITEMS).map(move |i| (u, i)));
    let held_out: Vec<_> = held_out.filter(|&(u, i)| is_held_out(u, i)).collect();
    let errors = held_out.iter().map(|&(u, i)| {
        let truth = if likes(u, i) { 5.0 } else { 2.0 };
        (f64::from(scores[[u as usize, i as usize]]) - truth).powi(2)
    });
    (errors.sum::<f64>() / held_out.len() as f64).sqrt()
}

#[test]
fn ratings_are_predicted_from_explanations() {
    let (rows, model) = fitted(&quick(), "bright guitar strings");
    assert_eq!(model.scale(), Scale::Values);
    let error = rmse(&rows, &model);
    assert!(error < 0.5, "{error}");
    let ledger = model.explain(rows.row(1), ItemIdx(0));
    assert_eq!(ledger.parts.len(), 2, "{ledger:?}");
    let text = |index: u32| {
        let part = ledger.parts.iter().find(|p| p.unit == unit(index as usize));
        part.and_then(|p| p.text.clone()).unwrap()
    };
    // User 1 likes pedals, and is asked about strings.
    assert!(text(0).contains("they like"), "{}", text(0));
    assert!(
        text(0).contains("pedal") && text(0).contains("others praise"),
        "{}",
        text(0)
    );
    assert!(text(1).contains("they do not like"), "{}", text(1));
    assert!(text(1).contains("strings"), "{}", text(1));
    let [a, b] = model.attention(rows.row(1), ItemIdx(0));
    assert!((a + b - 1.0).abs() < 1e-5 && a > 0.0 && b > 0.0);
}

/// What a training pair reads does not depend on its own rating or review: providers of its fold leave the event out.
#[test]
fn a_pair_never_sees_its_own_event_or_review() {
    let inputs = |own: &str, value: f32| -> (Vec<String>, Vec<f32>) {
        let (rows, catalogue, mut written) = world(own);
        written[0].2 = value;
        let rows: Vec<OwnedHistory> = rows
            .rows()
            .enumerate()
            .map(|(u, row)| {
                let events = row.events().map(|e| Event {
                    value: if u == 0 && e.item.0 == 0 {
                        value
                    } else {
                        e.value
                    },
                    ..e
                });
                OwnedHistory::of_events(row.user, events.collect())
            })
            .collect();
        let rows =
            Histories::from_histories(rows.iter().map(OwnedHistory::view), ITEMS as usize).unwrap();
        let reviews: Vec<Review<'_>> = written
            .iter()
            .map(|(user, item, value, text)| Review {
                user: *user,
                item: *item,
                value: *value,
                text,
            })
            .collect();
        let words = Words::new(&reviews);
        let source = Source {
            reviews: &reviews,
            words: &words,
            catalogue: &catalogue,
            n_items: ITEMS as usize,
            evidence: Evidence::Links,
            bare: false,
            profiles: None,
        };
        let training = Training {
            histories: &rows,
            catalogue: &catalogue,
        };
        let left_out = |user: u32, item: ItemIdx| user == 0 && item.0 == 0;
        let keep = |row: History<'_>, item: ItemIdx| !row.user.is_some_and(|u| left_out(u.0, item));
        let links = Config::links(&rows, &training, &keep, &mut Run::seeded(1)).unwrap();
        let keep = |review: &Review<'_>| !left_out(review.user.0, review.item);
        let embedder = TextEmbedder::hashed(8).unwrap();
        let provider = source.provider(&keep, links, &embedder).unwrap();
        let reader = Reader::new(rows.row(0), Some(ItemIdx(0)));
        let mut vectors = vec![0.0; 16];
        let (pro, con) = vectors.split_at_mut(8);
        provider.vectors(&reader, ItemIdx(0), [pro, con]);
        let texts = provider.texts(&reader, ItemIdx(0)).unwrap();
        (texts.to_vec(), vectors)
    };
    let one = inputs("bright guitar strings", 5.0);
    let other = inputs("terrible loud distortion pedal pedal returned it", 1.0);
    assert_eq!(one, other);
    assert!(one.1.iter().any(|x| *x != 0.0));
}

/// What a training pair is shown of user and item does not depend on the ratings of its fold. (The biases are added
/// to the score, and no layer reads them.)
#[test]
fn a_pair_never_sees_the_ratings_of_its_fold() {
    const FOLDS: usize = 3;
    let fold = |row: u32, item: ItemIdx| (row + item.0) % FOLDS as u32;
    // Inputs of all pairs, by their folds, where the ratings of one fold are changed.
    let inputs = |changed: u32| -> Vec<Vec<f32>> {
        let value = |u: u32, i: u32| match fold(u, ItemIdx(i)) == changed {
            true => 5.0,
            false => 1.0 + ((u + 2 * i) % 4) as f32,
        };
        let row = |u: u32| {
            let events = (0..ITEMS).filter(|&i| !is_held_out(u, i)).map(|i| Event {
                value: value(u, i),
                ..Event::of(ItemIdx(i))
            });
            OwnedHistory::of_events(None, events.collect())
        };
        let rows: Vec<OwnedHistory> = (0..USERS).map(row).collect();
        let examples = (0..).zip(&rows).flat_map(|(row, history)| {
            events_of(history.view())
                .into_iter()
                .map(move |(item, value)| Example {
                    row,
                    item,
                    value,
                    fold: fold(row, item),
                })
        });
        let examples: Vec<Example> = examples.collect();
        let none = Biases::new(3.0, 2.0, ITEMS as usize);
        let (biases, _) = none.by_fold(&examples, FOLDS, true);
        let mut found = vec![Vec::new(); FOLDS];
        for example in &examples {
            let biases = &biases[example.fold as usize];
            let counts = |item| fold(example.row, item) != example.fold;
            let side = Side::new(rows[example.row as usize].view(), counts, biases, true);
            let mut pairs = Pairs::default();
            pairs.user(&side);
            pairs.pair(&side, example.item, biases, true);
            found[example.fold as usize].extend(pairs.inputs());
        }
        found
    };
    let (one, other) = (inputs(9), inputs(0)); // there is no fold 9
    assert_eq!(one[0], other[0]);
    assert!(one[1] != other[1] && one[2] != other[2]);
}

/// A text that is not read cannot change a score; the sign of a text can.
#[test]
fn controls_are_what_they_say() {
    let score = |explanations: Explanations| {
        let config = Config {
            explanations,
            ..quick()
        };
        let (rows, model) = fitted(&config, "bright guitar strings");
        let value = |activations: [f32; 2]| {
            let found = model.run(
                &mut Tape::default(),
                rows.row(1),
                &[(ItemIdx(0), activations)],
            );
            found[0].0
        };
        [[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]].map(value)
    };
    let [whole, no_pro, no_con, neither] = score(Explanations::None);
    assert!(whole == no_pro && whole == no_con && whole == neither);
    let [whole, no_pro, no_con, neither] = score(Explanations::Positive);
    assert!(whole == no_con && no_pro == neither && whole != no_pro);
    let [whole, no_pro, no_con, neither] = score(Explanations::Negative);
    assert!(whole == no_pro && no_con == neither && whole != no_con);
    let both = score(Explanations::Both);
    assert!(both[1] != both[0] && both[2] != both[0], "{both:?}");
    // Swapped is the same model, which reads each text in the place of the other.
    let swapped = score(Explanations::Swapped);
    assert!(swapped[0] != both[0] && swapped[3] == both[3]);
    for control in [
        Explanations::Shuffled,
        Explanations::Profile,
        Explanations::Aspects,
    ] {
        let found = score(control);
        assert!(
            found.iter().all(|s| s.is_finite()) && found[0] != found[3],
            "{control:?}"
        );
    }
}

#[test]
fn every_form_is_saved_and_loaded() {
    for explanations in [
        Explanations::None,
        Explanations::Shuffled,
        Explanations::Profile,
        Explanations::Swapped,
    ] {
        let mut config = Config {
            explanations,
            autoencoder: Autoencoder::Frozen,
            ..quick()
        };
        config.training.epochs = 1;
        let (rows, model) = fitted(&config, "bright guitar strings");
        let mut saved = Tensors::new();
        model.save(&mut saved).unwrap();
        let loaded = Model::load(&saved).unwrap();
        assert_eq!(loaded, model);
        assert_eq!(loaded.score(&rows), model.score(&rows));
    }
}

#[test]
fn rankings_need_no_texts_and_no_values() {
    let rows: Vec<Vec<u32>> = (0..30)
        .map(|u| {
            (0..12)
                .filter(|i| i % 2 == u % 2 && (u + i) % 5 != 0)
                .collect()
        })
        .collect();
    let rows = Histories::from_rows(&rows, 12).unwrap();
    let catalogue = Catalogue::default();
    let training = Training {
        histories: &rows,
        catalogue: &catalogue,
    };
    for loss in [Loss::Bpr, Loss::Bce] {
        let config = Config { loss, ..quick() };
        let model = config.fit(&training, &mut Run::seeded(1)).unwrap();
        assert_eq!(model.scale(), Scale::Order);
        let scores = model.score(&rows);
        let (mut right, mut all) = (0, 0);
        for u in 0..30u32 {
            for i in (0..12).filter(|i| (u + i) % 5 == 0 && i % 2 == u % 2) {
                for j in (0..12).filter(|j| j % 2 != u % 2) {
                    all += 1;
                    right += u32::from(
                        scores[[u as usize, i as usize]] > scores[[u as usize, j as usize]],
                    );
                }
            }
        }
        assert!(right * 10 > all * 9, "{right} of {all}");
    }
    let config = Config {
        task: Task::Ratings,
        ..quick()
    };
    assert!(config.fit(&training, &mut Run::seeded(1)).is_err());
}
