//! NS-ICF: Zhang et al., Neuro-Symbolic Interpretable Collaborative Filtering for Attribute-based Recommendation,
//! WWW 2022, <https://doi.org/10.1145/3485447.3512042>.
//!
//! A score is the sum of rules over attributes, each weighed for the user and the item:
//!
//! ```text
//! score(u, i) = Σ over rules r of r(x_u, x_i) · tanh(V relu(A p_u + B q_i + a) + b)_r
//! ```
//!
//! Three bottom towers, over the attributes of the user, of the item, and of both, have conjunctions and disjunctions
//! as nodes, and so has the top tower over their values, whose nodes are the rules. With weights W from 0 to 1, a node is
//!
//! ```text
//! conj(x) = P(1 − W (1 − x)),   disj(x) = 1 − P(1 − W x),   P(v) = −1 / (−1 + Σ ln v)
//! ```
//!
//! The rules that score are discrete: their literals are the inputs with W > ½. Training grafts gradients: the value of
//! the rules is the discrete one, and its gradient is passed to the continuous nodes. W is clipped after each step.
//!
//! Discrete rules are not smooth in a history, so there is no latent, and the ledger has Shapley values of the events over
//! a few fixed orders (`learned_users`).
//!
//! **Attributes.** Those of an item are the values of all fields of the catalogue, one input each. The data hold no
//! attributes of users, so a user is described by their history: the share of its items with a value, compared with
//! random thresholds between 0 and twice the share of that value among all items (two inputs each: above, and not
//! above). A positive of training is in the history that describes its user. Where no item has a value of a field, a
//! fit is refused.
//!
//! Departures: one logit, trained by binary cross-entropy with one sampled negative per positive, instead of the
//! difference of two; one layer per tower; gradients are grafted at the rules, and the weighing, which is smooth, has its
//! own gradient at the discrete rules; a constant learning rate.

mod literals;

use limpid_core::{Catalogue, Csr, Error, ItemIdx, Result, Run, Tensors};
use limpid_tensor::tape::{Tape, Var};
use limpid_tensor::{Parameter, Rng};
use rayon::prelude::*;

use self::literals::{Literals, MOST_NODES, Nodes, bits, set_of};
use super::fields::categories;
use super::layer::Layer;
use super::learned_users::fit::{Batch, Init, Purpose, Recipe, Weight};
use super::learned_users::{Decoder, Tables, learned_model, put_vectors, vectors};
use super::score_of;
use crate::behavior::chains::Chains;
use crate::hyper::{self, hyper};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "ns-icf",
    aliases: &[],
    about: "conjunctions and disjunctions of attributes of users and items, weighed for each pair",
    paper: "Zhang et al., Neuro-Symbolic Interpretable Collaborative Filtering, WWW 2022",
    reads: Reads::ATTRIBUTES,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Conjunctions of each bottom tower, and as many disjunctions.
        nodes: usize = 8, in whole(1, MOST_NODES), tune [4, 8, 16];
        /// Conjunctions of the top tower, and as many disjunctions: the rules that are weighed.
        rules: usize = 16, in whole(1, 128), tune [8, 16, 32];
        /// Thresholds of the share of a user's items with a value.
        thresholds: usize = 2, in whole(1, 16);
        /// Values that are read of each field, the most frequent ones.
        values: usize = 100, in whole(1, 10_000);
        /// Dropout of the hidden layer of the weighing.
        dropout: f32 = 0.5, in between(0.0, 0.95), tune [0.2, 0.5];
        include tables: Tables = { embedding_size: 32 };
        include training: TrainingLoop = { epochs: 20, batch_size: 256, learning_rate: 1e-2 };
    }
}

learned_model!("model/ns-icf", Rules);

/// The weights of logic among all weights: the bottom towers of user, item and both, then the top tower.
const LOGIC: std::ops::Range<usize> = 2..6;

/// What is known of users and items.
pub(crate) struct Data {
    reader: Reader,
    of_users: Vec<f32>, // (U, user inputs)
    of_items: Vec<f32>, // (I, item inputs)
}

/// `[conjunctions ; disjunctions]` of a layer.
fn union<'t>(x: Var<'t>, w: Var<'t>) -> Var<'t> {
    let n = w.shape().width();
    let conjunctions = x.conjunction(w.columns(0..n / 2));
    conjunctions.concat(x.disjunction(w.columns(n / 2..n)))
}

impl Config {
    /// The logits of pairs of a user and an item.
    fn logits<'t>(
        &self,
        data: &Data,
        tape: &'t Tape,
        w: &[Var<'t>],
        users: &[u32],
        items: &[u32],
        rng: &mut Rng,
    ) -> Var<'t> {
        let rows = |all: &[f32], width: usize, at: &[u32]| -> Vec<f32> {
            let row = |&i: &u32| &all[i as usize * width..][..width];
            at.iter().flat_map(row).copied().collect()
        };
        let (n_user, n_item) = (data.reader.of_user(), data.reader.of_item());
        let x_user = tape.constant(rows(&data.of_users, n_user, users), &[users.len(), n_user]);
        let x_item = tape.constant(rows(&data.of_items, n_item, items), &[items.len(), n_item]);
        let bottom = union(x_user, w[2])
            .concat(union(x_item, w[3]))
            .concat(union(x_user.concat(x_item), w[4]));
        let continuous = union(bottom, w[5]);
        let literals = Literals::of([2, 3, 4, 5].map(|k| w[k].value()), self);
        let (x_user, x_item) = (x_user.value(), x_item.value());
        let pairs = x_user.par_chunks(n_user).zip(x_item.par_chunks(n_item));
        let rules =
            pairs.map(|(user, item)| literals.rules(literals.user(user), literals.item(item)));
        let rules: Vec<Vec<bool>> = rules.collect();
        let discrete = rules.iter().flatten().map(|&r| f32::from(u8::from(r)));
        let soft = continuous.value();
        let change: Vec<f32> = discrete.zip(&soft[..]).map(|(d, c)| d - c).collect();
        // The value of the discrete rules, with the gradient of the continuous ones.
        let rules = continuous + tape.constant(change, &continuous.shape());
        let hidden = w[0].gather(users.to_vec()).matmul(w[6])
            + w[1].gather(items.to_vec()).linear(w[7], w[8]);
        let hidden = hidden.relu().dropout(self.dropout, rng);
        let weights = hidden.linear(w[9], w[10]).tanh();
        rules.dot_rows(weights)
    }
}

impl Recipe for Config {
    type Decoder = Rules;
    type Data = Data;
    const EVERY_PURCHASE: bool = true;

    fn prepare(
        &self,
        chains: &Chains,
        catalogue: &Catalogue,
        _: Purpose,
        run: &Run<'_>,
    ) -> Result<Data> {
        let reader = Reader::of(catalogue, chains.n_items, self, run.seed)?;
        let users = (0..chains.len()).into_par_iter().map(|u| {
            let items: Vec<u32> = chains.row(u).iter().map(|e| e.0).collect();
            reader.user(&items)
        });
        let users: Vec<Vec<f32>> = users.collect();
        let items: Vec<Vec<f32>> = (0..chains.n_items as u32).map(|i| reader.item(i)).collect();
        Ok(Data {
            of_users: users.concat(),
            of_items: items.concat(),
            reader,
        })
    }

    fn weights(&self, data: &Data) -> Vec<Weight> {
        let (d, bottom, rules) = (self.tables.embedding_size, 2 * self.nodes, 2 * self.rules);
        let (users, items) = (data.reader.of_user(), data.reader.of_item());
        let logic =
            |name: &str, inputs, nodes| Weight::matrix(name, inputs, nodes).beginning(Init::Halves);
        vec![
            logic("logic.users", users, bottom),
            logic("logic.items", items, bottom),
            logic("logic.both", users + items, bottom),
            logic("logic.top", 3 * bottom, rules),
            Weight::matrix("weighing.users", d, d),
            Weight::matrix("weighing.items", d, d),
            Weight::vector("weighing.bias", d, Init::Zeros),
            Weight::matrix("rules", d, rules),
            Weight::vector("rules.bias", rules, Init::Zeros),
        ]
    }

    fn loss<'t>(
        &self,
        data: &Data,
        tape: &'t Tape,
        w: &[Var<'t>],
        batch: &Batch,
        rng: &mut Rng,
    ) -> Var<'t> {
        let sample = batch.target();
        let users = [&sample.users[..], &sample.users].concat();
        let items = [&sample.positives[..], &sample.negatives].concat();
        let positives = sample.positives.len();
        let targets = (0..items.len()).map(|k| f32::from(u8::from(k < positives)));
        let logits = self.logits(data, tape, w, &users, &items, rng);
        logits.binary_cross_entropy(targets.collect::<Vec<f32>>())
    }

    fn project(&self, weights: &mut [Parameter]) {
        for logic in &mut weights[LOGIC] {
            logic.value.iter_mut().for_each(|w| *w = w.clamp(0.0, 1.0));
        }
    }

    fn finish<'t>(&self, data: &Data, _: &'t Tape, w: &[Var<'t>]) -> (Vec<f32>, Rules) {
        let numbers = |k: usize| w[k].value().to_vec();
        let d = self.tables.embedding_size;
        let layer = |weights, bias| Layer {
            weights: numbers(weights),
            bias: numbers(bias),
        };
        let users = Layer {
            weights: numbers(6),
            bias: vec![0.0; d],
        };
        let rules = Rules::new(
            numbers(1),
            data.reader.clone(),
            Literals::of([2, 3, 4, 5].map(|k| w[k].value()), self),
            [users, layer(7, 8), layer(9, 10)],
        );
        (numbers(0), rules)
    }
}

/// What describes users and items, as inputs of 0 and 1.
#[derive(Debug, Clone, PartialEq)]
struct Reader {
    /// The values of each item, over all fields `(I, V)`.
    values: Csr,
    /// Thresholds of the shares of values, those of a value next to each other.
    thresholds: Vec<f32>, // (V, T)
}

impl Reader {
    fn of(catalogue: &Catalogue, n_items: usize, config: &Config, seed: u64) -> Result<Self> {
        let fields = categories(catalogue, n_items, config.values, ENTRY.name)?;
        let n_values = fields.iter().map(|f| f.n_values).sum();
        let row = |i: usize| {
            let mut first = 0;
            let mut row = Vec::new();
            for field in &fields {
                row.extend(field.of_items[i].iter().map(|v| (first + v, 1.0)));
                first += field.n_values as u32;
            }
            row
        };
        let values = Csr::from_rows((0..n_items).map(row), n_values)?;
        let mut counts = vec![0u32; n_values];
        values
            .columns()
            .iter()
            .for_each(|&v| counts[v as usize] += 1);
        // No user is asked, so that a model says nothing of single ones.
        let mut rng = Rng::new(seed, 3);
        let mut thresholds = Vec::new();
        for count in counts {
            let twice = 2.0 * count as f32 / n_items.max(1) as f32;
            thresholds.extend((0..config.thresholds).map(|_| rng.uniform(0.0, twice.min(1.0))));
        }
        Ok(Self { values, thresholds })
    }

    /// Number of inputs of an item.
    fn of_item(&self) -> usize {
        self.values.n_columns()
    }

    /// Number of inputs of a user.
    fn of_user(&self) -> usize {
        2 * self.thresholds.len()
    }

    fn item(&self, item: u32) -> Vec<f32> {
        let mut x = vec![0.0; self.of_item()];
        self.values
            .row(ItemIdx(item).at())
            .0
            .iter()
            .for_each(|&v| x[v as usize] = 1.0);
        x
    }

    /// Of the distinct items of a history.
    fn user(&self, items: &[u32]) -> Vec<f32> {
        let mut counts = vec![0u32; self.of_item()];
        for &item in items {
            let (values, _) = self.values.row(ItemIdx(item).at());
            values.iter().for_each(|&v| counts[v as usize] += 1);
        }
        let each = self.thresholds.len() / counts.len().max(1);
        let mut x = Vec::with_capacity(self.of_user());
        for (count, thresholds) in counts.iter().zip(self.thresholds.chunks_exact(each.max(1))) {
            let share = *count as f32 / items.len().max(1) as f32;
            for &threshold in thresholds {
                let above = f32::from(u8::from(share > threshold));
                x.extend([above, 1.0 - above]);
            }
        }
        x
    }
}

/// Scores by rules. The vector of a user is p_u, then the user's half of each bottom node as 0 or 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    items: Vec<f32>, // (I, d): q_i
    d: usize,
    reader: Reader,
    literals: Literals,
    users_layer: Layer, // (d, h), without bias
    items_layer: Layer, // (d, h)
    rules_layer: Layer, // (h, rules)
    // What follows from the others.
    halves: Vec<Nodes>,     // (I)
    hidden: Vec<f32>,       // (I, h): the layer of each item
    by_rule: Vec<Vec<f32>>, // (rules, h)
}

/// A user, read once for all items.
struct Reading {
    half: Nodes,
    hidden: Vec<f32>,
}

impl Rules {
    fn new(
        items: Vec<f32>,
        reader: Reader,
        literals: Literals,
        [users_layer, items_layer, rules_layer]: [Layer; 3],
    ) -> Self {
        let d = (users_layer.weights.len() / users_layer.bias.len().max(1)).max(1);
        let n_items = items.len() / d;
        let half = |i: u32| literals.item(&reader.item(i));
        let rules = rules_layer.bias.len();
        let column = |r: usize| {
            rules_layer
                .weights
                .chunks_exact(rules)
                .map(|w| w[r])
                .collect()
        };
        Self {
            halves: (0..n_items as u32).map(half).collect(),
            hidden: items
                .chunks_exact(d)
                .flat_map(|q| items_layer.apply(q))
                .collect(),
            by_rule: (0..rules).map(column).collect(),
            items,
            d,
            reader,
            literals,
            users_layer,
            items_layer,
            rules_layer,
        }
    }

    fn reading(&self, user: &[f32]) -> Reading {
        let (p, half) = user.split_at(self.d);
        Reading {
            half: set_of(half.iter().map(|&x| x > 0.5)),
            hidden: self.users_layer.apply(p),
        }
    }

    fn of(&self, user: &Reading, item: u32, hidden: &mut Vec<f32>) -> f32 {
        let h = user.hidden.len();
        let of_item = &self.hidden[item as usize * h..][..h];
        hidden.clear();
        hidden.extend(
            user.hidden
                .iter()
                .zip(of_item)
                .map(|(a, b)| (a + b).max(0.0)),
        );
        let bottom = self.literals.bottom(user.half, self.halves[item as usize]);
        let rules = (0..self.by_rule.len()).filter(|&r| self.literals.holds(r, bottom));
        let weight = |r: usize| score_of(&self.by_rule[r], hidden) + self.rules_layer.bias[r];
        rules.map(|r| weight(r).tanh()).sum()
    }
}

impl Decoder for Rules {
    // Rules hold or do not.
    const STEPS: usize = 0;

    fn n_items(&self) -> usize {
        self.halves.len()
    }

    fn width(&self) -> usize {
        self.d + self.literals.n_nodes()
    }

    fn learned(&self) -> usize {
        self.d
    }

    fn read(&self, items: &[u32]) -> Vec<f32> {
        let half = self.literals.user(&self.reader.user(items));
        let numbers = bits(half, self.literals.n_nodes()).map(|b| f32::from(u8::from(b)));
        numbers.collect()
    }

    fn lead(&self) -> usize {
        self.d
    }

    fn key(&self, item: u32) -> &[f32] {
        &self.items[item as usize * self.d..][..self.d]
    }

    fn scores(&self, user: &[f32]) -> Vec<f32> {
        let (user, mut buffer) = (self.reading(user), Vec::new());
        let items = 0..self.n_items() as u32;
        items.map(|i| self.of(&user, i, &mut buffer)).collect()
    }

    fn score(&self, user: &[f32], item: u32) -> f32 {
        self.of(&self.reading(user), item, &mut Vec::new())
    }

    fn save(&self, out: &mut Tensors) -> Result<()> {
        put_vectors(out, "items", &self.items, self.d, self.d);
        self.literals.save(out)?;
        out.put_csr("values", &self.reader.values);
        let n_values = self.reader.of_item();
        out.put_meta("values", &n_values)?;
        let each = self.reader.thresholds.len() / n_values.max(1);
        out.put_f32(
            "thresholds",
            &[n_values, each],
            self.reader.thresholds.clone(),
        );
        self.users_layer.save(out, "weighing.users");
        self.items_layer.save(out, "weighing.items");
        self.rules_layer.save(out, "rules");
        Ok(())
    }

    fn load(from: &Tensors) -> Result<Self> {
        let (items, d, _) = vectors(from, "items")?;
        let n_values: usize = from.meta("values")?;
        let values = from.csr("values", n_values)?;
        let (_, thresholds) = from.f32("thresholds")?;
        let literals = Literals::load(from)?;
        let users_layer = Layer::load(from, "weighing.users", d)?;
        let items_layer = Layer::load(from, "weighing.items", d)?;
        let hidden = users_layer.bias.len();
        let rules_layer = Layer::load(from, "rules", hidden)?;
        for (what, expected, found) in [
            ("items with values", items.len() / d, values.n_rows()),
            ("literals of items", n_values, literals.of_item.len()),
            (
                "literals of users",
                2 * thresholds.len(),
                literals.of_user.len(),
            ),
            (
                "thresholds beyond those of every value",
                0,
                thresholds.len() % n_values.max(1),
            ),
            (
                "literals of rules",
                rules_layer.bias.len(),
                literals.of_rules.len(),
            ),
            ("the hidden layer of items", hidden, items_layer.bias.len()),
        ] {
            if expected != found {
                return Err(Error::shape(what, expected, found));
            }
        }
        let reader = Reader {
            values,
            thresholds: thresholds.to_vec(),
        };
        Ok(Self::new(
            items,
            reader,
            literals,
            [users_layer, items_layer, rules_layer],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::tests::{learns_colors, refusal};
    use super::literals::tests::literals;
    use super::*;

    fn reader() -> Reader {
        Reader {
            values: Csr::from_rows([vec![(0, 1.0)], vec![(0, 1.0), (1, 1.0)]], 2).unwrap(),
            thresholds: vec![0.6, 0.5],
        }
    }

    /// Shares 1 and ½ of two values, compared with 0.6 and 0.5.
    #[test]
    fn histories_describe_users() {
        let reader = reader();
        assert_eq!(reader.user(&[0, 1]), [1.0, 0.0, 0.0, 1.0]);
        assert_eq!(reader.user(&[]), [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(reader.item(1), [1.0, 1.0]);
    }

    /// d = h = 1 and p = 2: hidden relu(3 · 2 − 1 · 4 + 1) = 3; rules that hold weigh tanh(0.1 · 3) and
    /// tanh(−0.2 · 3 + 0.5).
    fn rules() -> Rules {
        let mut literals = literals();
        // Every value has a threshold: four inputs of users, two of items.
        literals.of_user.extend([0, 0]);
        literals.of_item.push(0);
        let layer = |weights: &[f32], bias: &[f32]| Layer {
            weights: weights.to_vec(),
            bias: bias.to_vec(),
        };
        let layers = [
            layer(&[3.0], &[0.0]),
            layer(&[-1.0], &[1.0]),
            layer(&[0.1, -0.2], &[0.0, 0.5]),
        ];
        Rules::new(vec![4.0, 4.0], reader(), literals, layers)
    }

    #[test]
    fn one_score_by_hand() {
        let rules = rules();
        // u_0 AND u_1 hold, so both rules do; u_0 alone leaves the second; nothing leaves none where i_0 is absent.
        let (first, second) = (0.3f32.tanh(), (-0.1f32).tanh());
        let user = |set: &[usize]| {
            let mut z = vec![2.0; 1];
            z.extend((0..6).map(|k| f32::from(u8::from(set.contains(&k)))));
            z
        };
        let all = user(&[0, 1, 2, 4, 5]);
        assert!((rules.score(&all, 0) - (first + second)).abs() < 1e-6);
        assert!((rules.score(&user(&[2, 4]), 0) - second).abs() < 1e-6);
        assert_eq!(rules.scores(&all)[1], rules.score(&all, 1));
        // The first value alone, above its threshold, is u_0.
        assert_eq!(rules.read(&[0]), [0.0, 0.0, 1.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn saved_rules_of_other_shapes_are_refused() {
        let mut saved = Tensors::new();
        rules().save(&mut saved).unwrap();
        assert_eq!(Rules::load(&saved).unwrap(), rules());
        saved.put_u32("logic.items", &[1, 6], vec![1; 6]);
        let refused = Rules::load(&saved).unwrap_err().to_string();
        assert!(refused.contains("literals of items"), "{refused}");
        saved.put_meta("nodes", &40).unwrap();
        let refused = Rules::load(&saved).unwrap_err().to_string();
        assert!(refused.contains("from 1 to 21"), "{refused}");
    }

    #[test]
    fn attributes_decide() {
        learns_colors(&Config::default());
        let refused = refusal(&Config::default());
        assert!(
            refused.contains("at least 1 for ns-icf") && refused.contains("--metadata"),
            "{refused}"
        );
    }
}
