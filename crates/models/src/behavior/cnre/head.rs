//! Operators and prediction: equations 9, 11 and 12.
//!
//! The second layer of an operator is affine, and so is the first one of the prediction: after training they are
//! one matrix, and every path is a plain network with an activation between its layers.

use limpid_core::{Result, Tensors};
use limpid_tensor::exponential::exp;
use limpid_tensor::matmul::{Factor, product, product_here};
use limpid_tensor::tape::Var;
use limpid_tensor::wide;

use super::dispatch::Operator;
use super::{Activation, Config};
use crate::latent::{score_of, scores_of};

/// The slope of the activation below 0.
const SLOPE: f32 = 0.01;

/// Names and shapes of the weights of operators and prediction, in order.
pub(super) fn arrays(config: &Config) -> Vec<(String, Vec<usize>)> {
    let (inputs, h, m) = (config.operator_inputs(), config.hidden, config.mediator());
    let mut all = Vec::new();
    for operator in ["conjunction", "disjunction", "prior"] {
        for (name, shape) in [
            ("w1", vec![inputs, h]),
            ("b1", vec![h]),
            ("w2", vec![h, m]),
            ("b2", vec![m]),
        ] {
            all.push((format!("{operator}.{name}"), shape));
        }
    }
    for (layer, widths) in config.prediction().windows(2).enumerate() {
        all.push((format!("predict.{layer}.w"), widths.to_vec()));
        all.push((format!("predict.{layer}.b"), vec![widths[1]]));
    }
    all
}

/// The weights on a tape.
pub(super) struct HeadWeights<'t>(Vec<Var<'t>>);

/// Arrays of an operator.
const OPERATOR: usize = 4;

impl<'t> HeadWeights<'t> {
    /// Reads them in the order of [`arrays`].
    pub(super) fn read(config: &Config, weights: &mut impl Iterator<Item = Var<'t>>) -> Self {
        Self(weights.take(arrays(config).len()).collect())
    }

    fn operator(&self, operator: Operator) -> &[Var<'t>] {
        &self.0[operator as usize * OPERATOR..][..OPERATOR]
    }

    /// Mediators of inputs.
    pub(super) fn mediate(&self, config: &Config, operator: Operator, x: Var<'t>) -> Var<'t> {
        let &[w1, b1, w2, b2] = self.operator(operator) else {
            unreachable!("an operator has {OPERATOR} arrays")
        };
        activate(config.activation, x.linear(w1, b1)).linear(w2, b2)
    }

    /// Logits `(n, 1)` of mediators.
    pub(super) fn predict(&self, config: &Config, mediators: Var<'t>) -> Var<'t> {
        let layers = self.0[Operator::ALL.len() * OPERATOR..].chunks_exact(2);
        let mut x = mediators;
        for (at, layer) in layers.enumerate() {
            if at > 0 {
                x = activate(config.activation, x);
            }
            x = x.linear(layer[0], layer[1]);
        }
        x
    }
}

fn activate(activation: Activation, x: Var<'_>) -> Var<'_> {
    match activation {
        Activation::Sigmoid => x.sigmoid(),
        // max(x, a x) = (1 − a) max(x, 0) + a x.
        Activation::Leaky => x.relu().scale(f64::from(1.0 - SLOPE)) + x.scale(f64::from(SLOPE)),
    }
}

/// A fitted network: affine layers with an activation between them, and one output.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mlp {
    activation: Activation,
    layers: Vec<Layer>,
}

#[derive(Debug, Clone, PartialEq)]
struct Layer {
    w: Vec<f32>, // (inputs, outputs)
    b: Vec<f32>, // (outputs)
}

impl Layer {
    fn inputs(&self) -> usize {
        self.w.len() / self.b.len().max(1)
    }

    fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = self.b.clone();
        for (&x, row) in x.iter().zip(self.w.chunks_exact(self.b.len())) {
            out.iter_mut().zip(row).for_each(|(o, w)| *o += x * w);
        }
        out
    }
}

impl Activation {
    #[inline(always)]
    fn of(self, x: f32) -> f32 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + exp(-x)),
            Self::Leaky => x.max(SLOPE * x),
        }
    }

    /// The slope at x.
    fn slope(self, x: f32) -> f32 {
        match self {
            Self::Sigmoid => {
                let y = self.of(x);
                y * (1.0 - y)
            }
            Self::Leaky if x > 0.0 => 1.0,
            Self::Leaky => SLOPE,
        }
    }
}

impl Mlp {
    /// The output.
    pub(super) fn forward(&self, x: &[f32]) -> f32 {
        let mut x = x.to_vec();
        for (at, layer) in self.layers.iter().enumerate() {
            if at > 0 {
                x.iter_mut().for_each(|x| *x = self.activation.of(*x));
            }
            x = layer.apply(&x);
        }
        x.first().copied().unwrap_or(0.0)
    }

    /// The gradient of the output at x.
    pub(super) fn gradient(&self, x: &[f32]) -> Vec<f32> {
        // The outputs of all layers but the last.
        let mut outputs: Vec<Vec<f32>> = Vec::new();
        let mut at = x.to_vec();
        for layer in &self.layers[..self.layers.len() - 1] {
            let out = layer.apply(&at);
            at = out.iter().map(|&x| self.activation.of(x)).collect();
            outputs.push(out);
        }
        let mut gradient = vec![1f32];
        for (at, layer) in self.layers.iter().enumerate().rev() {
            let rows = layer.w.chunks_exact(layer.b.len());
            let mut back: Vec<f32> = rows.map(|row| score_of(row, &gradient)).collect();
            if at > 0 {
                let before = back.iter_mut().zip(&outputs[at - 1]);
                before.for_each(|(g, &x)| *g *= self.activation.slope(x));
            }
            gradient = back;
        }
        gradient
    }

    /// The first layer without its activation, of rows of inputs `(n, inputs)`.
    pub(super) fn first(&self, x: &[f32]) -> Vec<f32> {
        let layer = &self.layers[0];
        let (inputs, h) = (layer.inputs(), layer.b.len());
        let n = x.len() / inputs.max(1);
        let mut out: Vec<f32> = layer.b.iter().copied().cycle().take(n * h).collect();
        let (x, w) = (Factor::new(x, n, inputs), Factor::new(&layer.w, inputs, h));
        product(&mut out, x, w, true);
        out
    }

    /// What an input adds to [`first`](Self::first), without the bias.
    pub(super) fn first_of(&self, x: &[f32]) -> Vec<f32> {
        let layer = &self.layers[0];
        let mut out = layer.apply(x);
        out.iter_mut().zip(&layer.b).for_each(|(o, b)| *o -= b);
        out
    }

    /// The outputs of rows whose first layer is the sum of `rows` `(n, h)` and `add` `(h)`.
    pub(super) fn rest(
        &self,
        rows: &[f32],
        add: &[f32],
        buffers: &mut [Vec<f32>; 2],
        out: &mut [f32],
    ) {
        let n = out.len();
        let [x, y] = buffers;
        x.clear();
        x.extend_from_slice(rows);
        self.activate(x, add);
        for (at, layer) in self.layers.iter().enumerate().skip(1) {
            let (inputs, width) = (layer.inputs(), layer.b.len());
            if at + 1 == self.layers.len() {
                scores_of(&layer.w, x, out);
                out.iter_mut().for_each(|o| *o += layer.b[0]);
                return;
            }
            y.clear();
            y.resize(n * width, 0.0);
            let w = Factor::new(&layer.w, inputs, width);
            product_here(y, Factor::new(x, n, inputs), w, false);
            self.activate(y, &layer.b);
            std::mem::swap(x, y);
        }
    }

    /// The activation of rows `(n, h)` with `add` `(h)` added to each.
    fn activate(&self, rows: &mut [f32], add: &[f32]) {
        // The kind is known outside of the loops, so that they are wide.
        match self.activation {
            Activation::Sigmoid => each(
                rows,
                add,
                #[inline(always)]
                |x| Activation::Sigmoid.of(x),
            ),
            Activation::Leaky => each(
                rows,
                add,
                #[inline(always)]
                |x| Activation::Leaky.of(x),
            ),
        }
    }
}

/// `of` each element of rows `(n, h)` with `add` `(h)` added.
fn each(rows: &mut [f32], add: &[f32], of: impl Fn(f32) -> f32) {
    wide(
        #[inline(always)]
        || {
            for row in rows.chunks_exact_mut(add.len()) {
                for (x, b) in row.iter_mut().zip(add) {
                    *x = of(*x + b);
                }
            }
        },
    );
}

/// The fitted networks of all paths.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    /// By operator, in the order of [`Operator::ALL`].
    operators: Vec<Mlp>,
    /// Of mediators that are vectors themselves.
    pub(super) direct: Mlp,
    /// As learned, in the order of [`arrays`].
    weights: Vec<Vec<f32>>,
}

impl Head {
    /// From the weights in the order of [`arrays`].
    pub(super) fn new(config: &Config, weights: Vec<Vec<f32>>) -> Self {
        let of_prediction = weights[Operator::ALL.len() * OPERATOR..].chunks_exact(2);
        let layers: Vec<Layer> = of_prediction
            .map(|wb| Layer {
                w: wb[0].clone(),
                b: wb[1].clone(),
            })
            .collect();
        let (h, m) = (config.hidden, config.mediator());
        let operators = weights.chunks_exact(OPERATOR).take(Operator::ALL.len());
        let operators = operators.map(|of| {
            let first = Layer {
                w: of[0].clone(),
                b: of[1].clone(),
            };
            // The second layer, then the first one of the prediction.
            let width = layers[0].b.len();
            let mut second = Layer {
                w: vec![0.0; h * width],
                b: layers[0].apply(&of[3]),
            };
            let w = Factor::new(&layers[0].w, m, width);
            product(&mut second.w, Factor::new(&of[2], h, m), w, false);
            let rest = layers[1..].iter().cloned();
            Mlp {
                activation: config.activation,
                layers: [first, second].into_iter().chain(rest).collect(),
            }
        });
        Self {
            operators: operators.collect(),
            direct: Mlp {
                activation: config.activation,
                layers,
            },
            weights,
        }
    }

    /// The network of an operator.
    pub(super) fn operator(&self, operator: Operator) -> &Mlp {
        &self.operators[operator as usize]
    }

    pub(super) fn save(&self, config: &Config, out: &mut Tensors) {
        for ((name, shape), values) in arrays(config).iter().zip(&self.weights) {
            out.put_f32(name, shape, values.clone());
        }
    }

    pub(super) fn load(from: &Tensors, config: &Config) -> Result<Self> {
        let weights = arrays(config)
            .into_iter()
            .map(|(name, shape)| Ok(from.shaped(&name, &shape)?.to_vec()));
        Ok(Self::new(config, weights.collect::<Result<_>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use limpid_tensor::Rng;
    use limpid_tensor::tape::Tape;

    fn weights(config: &Config) -> Vec<Vec<f32>> {
        let mut rng = Rng::new(5, 0);
        let arrays = arrays(config).into_iter();
        arrays
            .map(|(_, shape)| rng.uniforms(shape.iter().product(), -0.4, 0.4))
            .collect()
    }

    /// Fitted networks compute what the tape does, in one piece or in two, and their gradients are slopes.
    #[test]
    fn networks_equal_the_tape() {
        for activation in [Activation::Leaky, Activation::Sigmoid] {
            let config = Config {
                embedding_size: 6,
                hidden: 10,
                activation,
                ..Config::default()
            };
            let values = weights(&config);
            let head = Head::new(&config, values.clone());
            let inputs = config.operator_inputs();
            let x = Rng::new(9, 0).uniforms(3 * inputs, -1.0, 1.0);
            let tape = Tape::default();
            let arrays = arrays(&config).into_iter().zip(values);
            let mut vars = arrays.map(|((_, shape), v)| tape.constant(v, &shape));
            let on_tape = HeadWeights::read(&config, &mut vars);
            for operator in Operator::ALL {
                let mlp = head.operator(operator);
                let rows = tape.constant(x.clone(), &[3, inputs]);
                let mediators = on_tape.mediate(&config, operator, rows);
                let expected = on_tape.predict(&config, mediators).value();
                let mut out = vec![0.0; 3];
                let first = mlp.first(&vec![0.0; 3 * inputs]);
                let mut buffers = [Vec::new(), Vec::new()];
                for (at, x) in x.chunks_exact(inputs).enumerate() {
                    assert!((mlp.forward(x) - expected[at]).abs() < 1e-5);
                    mlp.rest(&first, &mlp.first_of(x), &mut buffers, &mut out);
                    assert!((out[at] - expected[at]).abs() < 1e-5);
                    let gradient = mlp.gradient(x);
                    for k in (0..inputs).step_by(5) {
                        let moved = |by: f32| {
                            let mut x = x.to_vec();
                            x[k] += by;
                            mlp.forward(&x)
                        };
                        let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
                        assert!(
                            (slope - gradient[k]).abs() < 1e-2,
                            "{slope} {}",
                            gradient[k]
                        );
                    }
                }
            }
        }
    }
}
