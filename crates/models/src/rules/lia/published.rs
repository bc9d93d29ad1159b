//! LIA as published: training, then removal of constant rules, which does not change a score.

use limpid_core::{Result, Run, Training};
use limpid_tensor::sparse::logic::Cost;

use super::extract::{self, count, item_bits, patterns};
use super::layer::{Layer, Settings};
use super::model::{Effects, Model};
use super::{Activation, Config, Mode};
use crate::linear::item_links::ItemLinks;

/// The novel logical activation functions with LIA's parameters.
const NLAF: Cost = Cost::Nlaf {
    alpha: 0.999,
    beta: 8,
    gamma: 3,
};

pub(super) fn fit(config: &Config, data: &Training<'_>, run: &mut Run<'_>) -> Result<Model> {
    let n_items = data.histories.n_items();
    let settings = settings(config, n_items);
    settings.afford(
        n_items,
        config.training.batch_size,
        run,
        format!("lia with {} rules over {n_items} items", config.rules),
        "mode=plus",
    )?;
    let rows = extract::rows_of(data.histories);
    let layer = Layer::new(&rows, n_items, settings, run.seed).learn(config, run)?;
    finished(layer, &rows, n_items)
}

fn settings(config: &Config, n_items: usize) -> Settings {
    Settings {
        n_rules: config.rules,
        cost: match config.activation {
            Activation::Nlaf => NLAF,
            Activation::Log => Cost::Log,
        },
        gate: config.gate,
        links: config.mode == Mode::Released,
        gsam: config.gsam,
        l1: config.rule_l1,
        outputs: config.outputs(n_items),
        short: None,
    }
}

/// The model of a trained layer, without the rules that hold for all training users or for none.
fn finished(layer: Layer<'_>, rows: &[Vec<u32>], n_items: usize) -> Result<Model> {
    let found = extract::rules(&layer.w.value, &layer.gates.value, layer.gates.value.len());
    let items = item_bits(rows, n_items);
    let mut base: Vec<f64> = layer.b.value.iter().map(|&b| f64::from(b)).collect();
    let (mut rules, mut effects) = (Vec::new(), Vec::new());
    let n_rules = found.len().max(1);
    for (k, bits) in patterns(&found, &items, rows.len()).iter().enumerate() {
        let support = count(bits) as usize;
        let of_items = layer.v.value.chunks_exact(n_rules);
        let row = of_items.map(|effects| effects[k]);
        // A rule that holds for all training users is added to the base, one that holds for none
        // is dropped.
        if support == rows.len() {
            base.iter_mut()
                .zip(row)
                .for_each(|(b, v)| *b += f64::from(v));
        } else if support > 0 {
            rules.push(found[k].clone());
            effects.extend(row);
        }
    }
    let base: Vec<f32> = base.into_iter().map(|b| b as f32).collect();
    let links = match layer.links {
        Some(links) => Some(ItemLinks::dense(links.value, n_items)?),
        None => None,
    };
    Model::new(rules, Effects::Dense(effects.into()), links, base.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::lia::Gate;
    use crate::training_loop::TrainingLoop;
    use limpid_core::{Histories, Recommender};
    use limpid_tensor::{Learner, Rng, train};

    /// The extracted model scores training users as the trained layer does.
    #[test]
    fn extraction_does_not_change_a_score() {
        let mut rng = Rng::new(4, 0);
        let rows: Vec<Vec<u32>> = (0..70)
            .map(|_| (0..12).filter(|_| rng.unit() < 0.4).collect())
            .collect();
        let users = Histories::from_rows(&rows, 12).unwrap();
        for (mode, gate) in [(Mode::Paper, Gate::Learned), (Mode::Released, Gate::Half)] {
            let config = Config {
                mode,
                gate,
                rules: 40,
                rule_l1: 0.0,
                training: TrainingLoop {
                    epochs: 8,
                    batch_size: 512,
                    learning_rate: 2e-2,
                    ..TrainingLoop::default()
                },
                ..Config::default()
            };
            let mut layer = Layer::new(&rows, 12, settings(&config, 12), 5);
            train(&mut layer, &config.schedule(), "", &mut Run::seeded(5)).unwrap();
            let before = std::cell::RefCell::default();
            let monitor = |trained: &dyn Recommender| {
                before.replace(trained.score(&users));
                0.0
            };
            layer.measure(&monitor).unwrap();
            let before = before.into_inner();
            let model = finished(layer, &rows, 12).unwrap();
            assert!(model.rules().len() < 40);
            for (a, b) in before.iter().zip(model.score(&users).iter()) {
                assert!((a - b).abs() < 1e-4, "{a} {b}");
            }
        }
    }
}
