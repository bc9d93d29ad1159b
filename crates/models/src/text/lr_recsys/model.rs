//! The fitted model: scores, ledgers over the two explanations, and its form on disk.

use std::sync::Arc;

use limpid_core::{
    Activations, Artifact, Candidates, Catalogue, Csr, Detail, Error, Event, Histories, History,
    ItemIdx, Ledger, Mat, Part, Recommender, Result, Scale, Space, Tensors, Unit, UnitInfo, Units,
};
use limpid_tensor::tape::{Tape, Var};
use rayon::prelude::*;

use super::Explanations;
use super::explanations::{Provider, Reader};
use super::network::{self, Bank, Biases, Form, Pairs, Side};

/// Pairs per call of the network when the model scores: fixed, so that a score does not depend on the others.
const BLOCK: usize = 16;

/// What the model knows besides the weights of its network.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kit {
    /// None where no explanations are read.
    pub(super) provider: Option<Provider>,
    pub(super) biases: Biases,
    pub(super) explanations: Explanations,
    pub(super) rates: bool,
    /// The name of the space of the vectors of texts.
    pub(super) space: String,
    pub(super) bank: Bank,
}

/// The fitted model.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub(super) form: Form,
    /// In the order of [`Form::arrays`].
    pub(super) weights: Vec<Arc<Vec<f32>>>,
    pub(super) kit: Arc<Kit>,
}

/// The explanation for an item, and the one against it.
const UNITS: [(&str, &str); 2] = [
    ("text:for", "the explanation for it"),
    ("text:against", "the explanation against it"),
];

/// Both explanations as they are.
const WHOLE: [f32; 2] = [1.0, 1.0];

impl Model {
    /// The name of the space of its vectors of texts; empty if it reads none.
    #[must_use]
    pub fn space(&self) -> &str {
        &self.kit.space
    }

    /// The number of dimensions of its vectors of texts.
    #[must_use]
    pub fn text_size(&self) -> usize {
        self.form.width
    }

    /// The attention of a user to the explanations for and against an item; they sum to 1.
    #[must_use]
    pub fn attention(&self, user: History<'_>, item: ItemIdx) -> [f32; 2] {
        let found = self.run(&mut Tape::default(), user, &[(item, WHOLE)]);
        found.first().map_or([0.5; 2], |&(_, attention)| attention)
    }

    /// What the explanation for an item says beyond the one against it: the score with the first alone, less that with
    /// the second alone.
    #[must_use]
    pub fn contrast(&self, user: History<'_>, item: ItemIdx) -> f32 {
        let alone = [(item, [1.0, 0.0]), (item, [0.0, 1.0])];
        let found = self.run(&mut Tape::default(), user, &alone);
        match found.as_slice() {
            [pro, con] => pro.0 - con.0,
            _ => 0.0,
        }
    }

    /// The scores of items for a user, each with how much of its explanations is read, and the attention to them.
    pub(super) fn run(
        &self,
        tape: &mut Tape,
        user: History<'_>,
        items: &[(ItemIdx, [f32; 2])],
    ) -> Vec<(f32, [f32; 2])> {
        let kit = &*self.kit;
        let side = Side::new(user, |_| true, &kit.biases, kit.rates);
        let whole = Reader::new(user, None);
        let mut all = Vec::with_capacity(items.len());
        for block in items.chunks(BLOCK) {
            let mut pairs = Pairs::default();
            pairs.user(&side);
            let last = block.last().copied();
            let padding = std::iter::repeat_n(last, BLOCK - block.len()).flatten();
            for (item, activations) in block.iter().copied().chain(padding) {
                pairs.pair(&side, item, &kit.biases, kit.rates);
                let gates = kit.explanations.gates();
                let [pro, con] = [0, 1].map(|sign| gates[sign] * activations[sign]);
                let swapped = kit.explanations == Explanations::Swapped;
                let gates = if swapped { [con, pro] } else { [pro, con] };
                let mut room = pairs.texts(self.form.width, gates);
                if swapped {
                    room.reverse();
                }
                match (&kit.provider, kit.explanations) {
                    (Some(_), Explanations::Shuffled) => {
                        kit.bank.give(network::key(user, item), room);
                    }
                    (Some(provider), _) if user.contains(item) => {
                        provider.vectors(&Reader::new(user, Some(item)), item, room);
                    }
                    (Some(provider), _) => provider.vectors(&whole, item, room),
                    (None, _) => {}
                }
            }
            tape.reset();
            let weights: Vec<Var<'_>> = self
                .form
                .arrays()
                .iter()
                .zip(&self.weights)
                .map(|((_, shape), values)| tape.constant(values.clone(), shape))
                .collect();
            let out = self.form.score(tape, &weights, pairs, kit.rates, |x| x);
            let (scores, attention) = (out.score.value(), out.attention.value());
            let found = scores.iter().zip(attention.chunks_exact(2));
            let found = found.map(|(&score, a)| (score, [a[0], a[1]]));
            all.extend(found.take(block.len()));
        }
        all
    }

    /// The scores of all users for lists of items; `of` has the items of a row and how much of the explanations
    /// is read.
    fn scores<'a>(
        &self,
        users: &Histories,
        of: impl Fn(usize) -> (Vec<ItemIdx>, [f32; 2]) + Sync + 'a,
    ) -> Vec<Vec<f32>> {
        (0..users.len())
            .into_par_iter()
            .map_init(Tape::default, |tape, row| {
                let (items, activations) = of(row);
                let items: Vec<_> = items.into_iter().map(|item| (item, activations)).collect();
                let found = self.run(tape, users.row(row), &items);
                found.into_iter().map(|(score, _)| score).collect()
            })
            .collect()
    }

    fn all_items(&self) -> Vec<ItemIdx> {
        (0..self.form.n_items as u32).map(ItemIdx).collect()
    }

    fn as_mat(&self, rows: Vec<Vec<f32>>) -> Mat {
        let shape = (rows.len(), self.form.n_items);
        Mat::from_shape_vec(shape, rows.concat())
            .unwrap_or_else(|_| unreachable!("a score for every item"))
    }

    /// The ledger of an item, with some of its explanations.
    fn ledger_of(&self, user: History<'_>, item: ItemIdx, activations: [f32; 2]) -> Ledger {
        let [a, b] = activations;
        let mut tape = Tape::default();
        let points = [[a, b], [a, 0.0], [0.0, b], [0.0, 0.0]].map(|at| (item, at));
        let found = self.run(&mut tape, user, &points);
        let nobody = History {
            user: None,
            items: &[],
            times: None,
            values: None,
            behaviors: None,
        };
        let base = self.run(&mut tape, nobody, &[(item, WHOLE)]);
        let [Some(both), Some(pro), Some(con), Some(none), Some(base)] = [
            found.first(),
            found.get(1),
            found.get(2),
            found.get(3),
            base.first(),
        ]
        .map(|f| f.map(|f| f.0)) else {
            unreachable!("a score for every item")
        };
        let values = [
            0.5 * ((pro - none) + (both - con)),
            0.5 * ((con - none) + (both - pro)),
        ];
        let reader = Reader::new(user, Some(item));
        let provider = self.kit.provider.as_ref();
        let texts = provider.and_then(|p| p.texts(&reader, item));
        let cites: Arc<[Event]> = user.events().filter(|e| e.item != item).collect();
        let parts = texts.into_iter().flatten().enumerate();
        let parts = parts
            .filter(|&(sign, _)| activations[sign] != 0.0)
            .map(|(sign, text)| {
                let (value, activation) = (values[sign], activations[sign]);
                Part {
                    value,
                    text: Some(text),
                    ..Part::new(unit(sign), activation, value / activation, cites.clone())
                }
            });
        Ledger::of_parts(base, parts.collect()).scored(both)
    }
}

pub(super) fn unit(sign: usize) -> Unit {
    Unit::new(Space::Text, sign as u32)
}

/// The activations of both explanations in a sparse row.
fn dense(row: impl Iterator<Item = (u32, f32)>) -> [f32; 2] {
    let mut all = [0.0; 2];
    for (index, value) in row {
        if let Some(activation) = all.get_mut(index as usize) {
            *activation = value;
        }
    }
    all
}

impl Recommender for Model {
    fn score(&self, users: &Histories) -> Mat {
        self.as_mat(self.scores(users, |_| (self.all_items(), WHOLE)))
    }

    fn score_items(&self, users: &Histories, candidates: &Candidates) -> Vec<f32> {
        self.scores(users, |row| (candidates.row(row).to_vec(), WHOLE))
            .concat()
    }

    fn explain(&self, user: History<'_>, item: ItemIdx) -> Ledger {
        self.ledger_of(user, item, WHOLE)
    }

    fn scale(&self) -> Scale {
        match self.kit.rates {
            true => Scale::Values,
            false => Scale::Order,
        }
    }

    fn units(&self) -> Option<&dyn Units> {
        Some(self)
    }
}

impl Units for Model {
    fn len(&self) -> usize {
        UNITS.len()
    }

    fn unit(&self, index: usize) -> Unit {
        unit(index)
    }

    fn members(&self, unit: Unit) -> Vec<usize> {
        let own = unit.space == Space::Text && (unit.index as usize) < UNITS.len();
        own.then_some(unit.index as usize).into_iter().collect()
    }

    fn info(&self, unit: Unit, _: &Catalogue) -> UnitInfo {
        let (id, label) = UNITS[(unit.index as usize).min(UNITS.len() - 1)];
        UnitInfo {
            id: id.to_owned(),
            label: Some(label.to_owned()),
            space: Space::Text,
            rule: None,
            confidence: None,
        }
    }

    fn resolve(&self, text: &str, _: &Catalogue) -> Result<Unit> {
        let found = UNITS
            .iter()
            .position(|&(id, label)| text == id || text == label);
        found.map(unit).ok_or_else(|| Error::NoSuchUnit {
            unit: text.to_owned(),
            hint:
                "its units are text:for and text:against, the explanations for and against an item"
                    .to_owned(),
        })
    }

    fn activate(&self, users: &Histories) -> Activations {
        let row = |_| vec![(0, 1.0), (1, 1.0)];
        Csr::from_rows(users.rows().map(row), UNITS.len())
            .unwrap_or_else(|_| unreachable!("two units in order"))
    }

    fn score_activations(&self, users: &Histories, activations: &Activations) -> Mat {
        self.as_mat(self.scores(users, |row| {
            let (columns, values) = activations.row(row);
            let row = columns.iter().copied().zip(values.iter().copied());
            (self.all_items(), dense(row))
        }))
    }

    fn ledger(
        &self,
        user: History<'_>,
        activations: &[(u32, f32)],
        item: ItemIdx,
        _: Detail,
    ) -> Ledger {
        self.ledger_of(user, item, dense(activations.iter().copied()))
    }
}

impl Artifact for Model {
    const KIND: &'static str = "model/lr-recsys";

    fn save(&self, out: &mut Tensors) -> Result<()> {
        let kit = &*self.kit;
        for ((name, shape), values) in self.form.arrays().iter().zip(&self.weights) {
            out.put_f32(name, shape, values.to_vec());
        }
        let n = [self.form.n_items];
        out.put_f32("biases.sums", &n, kit.biases.sums.clone());
        out.put_f32("biases.counts", &n, kit.biases.counts.clone());
        out.put_meta("mean", &kit.biases.mean)?;
        out.put_meta("bias_reg", &kit.biases.reg)?;
        out.put_meta(
            "explanations",
            &crate::hyper::Setting::to_value(&kit.explanations),
        )?;
        out.put_meta("rates", &kit.rates)?;
        out.put_meta("space", &kit.space)?;
        if kit.explanations == Explanations::Shuffled {
            out.put_f32("bank", &[kit.bank.texts.len()], kit.bank.texts.clone());
        }
        match &kit.provider {
            Some(provider) => provider.save(out),
            None => Ok(()),
        }
    }

    fn load(from: &Tensors) -> Result<Self> {
        let ([n_items, d], [width, code]) = (from.matrix("items")?.0, from.matrix("encode.w")?.0);
        let [_, hidden] = from.matrix("mlp.w1")?.0;
        let form = Form {
            n_items,
            d,
            width,
            code,
            hidden,
        };
        let exactly =
            |name: &str, shape: &[usize]| Ok::<_, Error>(from.shaped(name, shape)?.to_vec());
        let weights = form.arrays().into_iter();
        let weights = weights.map(|(name, shape)| Ok(Arc::new(exactly(name, &shape)?)));
        let weights = weights.collect::<Result<Vec<_>>>()?;
        let explanations: serde_json::Value = from.meta("explanations")?;
        let explanations: Explanations = crate::hyper::Setting::from_value(&explanations)
            .ok_or_else(|| {
                let known = [
                    "both", "none", "positive", "negative", "swapped", "shuffled",
                ];
                let known = known.into_iter().chain(["profile", "aspects"]);
                Error::unknown("kind of explanations", &explanations.to_string(), known)
            })?;
        let provider = match explanations {
            Explanations::None => None,
            _ => Some(Provider::load(from, n_items)?),
        };
        if let Some(provider) = &provider
            && provider.width() != width
        {
            return Err(Error::shape("the width of texts", width, provider.width()));
        }
        let bank = match explanations {
            Explanations::Shuffled => Bank {
                texts: from.f32("bank")?.1.to_vec(),
            },
            _ => Bank::default(),
        };
        Ok(Self {
            form,
            weights,
            kit: Arc::new(Kit {
                provider,
                biases: Biases {
                    mean: from.meta("mean")?,
                    reg: from.meta("bias_reg")?,
                    sums: exactly("biases.sums", &[n_items])?,
                    counts: exactly("biases.counts", &[n_items])?,
                },
                explanations,
                rates: from.meta("rates")?,
                space: from.meta("space")?,
                bank,
            }),
        })
    }
}
