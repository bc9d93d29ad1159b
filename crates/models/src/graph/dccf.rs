//! DCCF: Zhang et al., Deconfounded Causal Collaborative Filtering, ACM TORS 2023,
//! <https://arxiv.org/abs/2110.07122>.
//!
//! Attributes of items mediate between exposure and preference, so a score is the front-door adjustment over the
//! items that a user might have been exposed to:
//!
//! ```text
//! score(u, i) = Σ over j in {i, samples} of P(j) p_u · MLP([q_j ; f_i])        P(j): softmax of the exposure of j
//! ```
//!
//! with the frozen attributes f_i of the item, and BPR on the target behavior. Attributes are a fixed random
//! projection of the item's metadata. Where the catalogue has none, a warning says so, and projections of who had
//! the item take their place: then nothing mediates that is not in the events already, and the model says little
//! about the paper. Departures: the exposure of an item is its share of events, the same for all users (the paper
//! fits a model of it), and attributes have no noise.

use std::sync::Arc;

use limpid_core::{Catalogue, Result, Run};
use limpid_tensor::Rng;
use limpid_tensor::tape::{Tape, Var};

use super::attributes::Attributes;
use crate::behavior::chains::Chains;
use crate::hyper::{self, hyper};
use crate::latent::learned_users::fit::{Batch, Init, Purpose, Recipe, Weight};
use crate::latent::learned_users::{DotProduct, Tables, learned_model};
use crate::registry::{Entry, Reads};
use crate::training_loop::TrainingLoop;

/// The catalogue entry.
pub(crate) const ENTRY: Entry = Entry {
    name: "dccf",
    aliases: &[],
    about: "collaborative filtering adjusted for exposure by the front door of item attributes",
    paper: "Zhang et al., Deconfounded Causal Collaborative Filtering, TORS 2023",
    reads: Reads::BEHAVIORS,
    defaults: hyper::defaults::<Config>,
};

hyper! {
    /// Hyper-parameters.
    pub struct Config {
        /// Sampled items of the adjustment.
        samples: usize = 10, in whole(0, 100), tune [5, 10];
        include tables: Tables = { embedding_size: 32, reg: 1e-5 };
        include training: TrainingLoop = { epochs: 100, batch_size: 256, learning_rate: 3e-3 };
    }
}

learned_model!("model/dccf");

/// What is known of the items.
pub(crate) struct Data {
    attributes: Attributes,
    /// ln(1 + events) of each item.
    exposure: Vec<f32>,
}

impl Config {
    /// The vectors of items, adjusted by samples.
    fn adjusted<'t>(
        &self,
        data: &Data,
        tape: &'t Tape,
        w: &[Var<'t>],
        items: &[u32],
        rng: &mut Rng,
    ) -> Var<'t> {
        let each = 1 + self.samples;
        let n_items = data.exposure.len();
        let mut exposed = Vec::with_capacity(items.len() * each);
        for &i in items {
            exposed.push(i);
            exposed.extend((0..self.samples).map(|_| rng.below(n_items) as u32));
        }
        let exposure = exposed.iter().map(|&j| data.exposure[j as usize]);
        let exposure = tape.constant(exposure.collect::<Vec<f32>>(), &[items.len(), each]);
        let shares = exposure.softmax().reshape(&[exposed.len()]);
        let repeated: Vec<u32> = items.iter().flat_map(|&i| [i].repeat(each)).collect();
        let of_items = data.attributes.constant(tape).gather(repeated);
        let hidden = w[1]
            .gather(exposed)
            .concat(of_items)
            .linear(w[2], w[3])
            .relu();
        let parts = hidden.linear(w[4], w[5]).scale_rows(shares);
        // Σ over the parts of each item.
        let width = parts.shape().width();
        let wide = parts.reshape(&[items.len(), each * width]);
        let mut sum = wide.columns(0..width);
        for k in 1..each {
            sum = sum + wide.columns(k * width..(k + 1) * width);
        }
        sum
    }
}

impl Recipe for Config {
    type Decoder = DotProduct;
    type Data = Data;
    const EVERY_PURCHASE: bool = true;

    fn prepare(
        &self,
        chains: &Chains,
        catalogue: &Catalogue,
        purpose: Purpose,
        run: &Run<'_>,
    ) -> Result<Data> {
        let mut events = vec![0f32; chains.n_items];
        for (item, set) in (0..chains.len()).flat_map(|u| chains.row(u)) {
            events[*item as usize] += set.count_ones() as f32;
        }
        let attributes = Attributes::of(catalogue, chains, self.tables.embedding_size, run.seed);
        if attributes.made_up && purpose == Purpose::Losses {
            run.progress.warn(
                "the items have no attributes, which this model is about; projections of their users take \
                 the place (join some with --metadata)",
            );
        }
        Ok(Data {
            attributes,
            exposure: events.iter().map(|n| n.ln_1p()).collect(),
        })
    }

    fn weights(&self, _: &Data) -> Vec<Weight> {
        let d = self.tables.embedding_size;
        vec![
            Weight::matrix("first", 2 * d, d),
            Weight::vector("first.bias", d, Init::Zeros),
            Weight::matrix("second", d, d),
            Weight::vector("second.bias", d, Init::Zeros),
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
        let users = w[0].gather(Arc::clone(&sample.users));
        let [positives, negatives] = [&sample.positives, &sample.negatives]
            .map(|items| users.dot_rows(self.adjusted(data, tape, w, items, rng)));
        positives.bpr(negatives)
    }

    fn finish<'t>(&self, data: &Data, tape: &'t Tape, w: &[Var<'t>]) -> (Vec<f32>, DotProduct) {
        let all: Vec<u32> = (0..data.exposure.len() as u32).collect();
        // The same samples whenever vectors are computed.
        let mut rng = Rng::new(0, 0);
        let items = self
            .adjusted(data, tape, w, &all, &mut rng)
            .value()
            .to_vec();
        let d = self.tables.embedding_size;
        (w[0].value().to_vec(), DotProduct::new(items, d, d))
    }
}
