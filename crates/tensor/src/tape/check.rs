//! Every operation against central differences, in double precision, and in single against double.

use std::sync::Arc;

use super::{Csr, Float, Gradient, Graph, Spans, Tape, Var};
use crate::Rng;

/// An operation and the shapes of its inputs, whose numbers are uniform in `low..high`.
struct Case<T: Float> {
    name: &'static str,
    inputs: &'static [&'static [usize]],
    range: (f32, f32),
    op: for<'t> fn(&'t Tape<T>, &[Var<'t, T>]) -> Var<'t, T>,
}

fn uniforms<T: Float>(rng: &mut Rng, n: usize, (low, high): (f32, f32)) -> Vec<T> {
    let numbers = rng.uniforms(n, low, high);
    numbers.iter().map(|&x| T::of(f64::from(x))).collect()
}

fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}

impl<T: Float> Case<T> {
    fn inputs(&self) -> Vec<Vec<T>> {
        let mut rng = Rng::new(17, 0);
        let values = self.inputs.iter();
        values
            .map(|shape| uniforms(&mut rng, count(shape), self.range))
            .collect()
    }

    /// A scalar of the output: a weighted sum of its elements.
    fn scalar<'t>(&self, tape: &'t Tape<T>, leaves: &[Var<'t, T>]) -> Var<'t, T> {
        let out = (self.op)(tape, leaves);
        let shape = out.shape();
        let weights = uniforms(&mut Rng::new(5, 0), shape.count(), (-1.0, 1.0));
        (out * tape.constant(weights, &shape)).sum()
    }

    fn loss(&self, inputs: &[Vec<T>]) -> T {
        let tape = Tape::default();
        let values = inputs.iter().zip(self.inputs);
        let leaves: Vec<_> = values
            .map(|(x, shape)| tape.leaf(Arc::new(x.clone()), shape))
            .collect();
        self.scalar(&tape, &leaves).scalar()
    }

    /// The loss and all gradients; the step is run twice, so that the second one reuses the buffers of
    /// the first.
    fn gradients(&self) -> (T, Vec<Vec<T>>) {
        let inputs: Vec<_> = self.inputs().into_iter().map(Arc::new).collect();
        let mut tape = Tape::default();
        let mut found = None;
        for _ in 0..2 {
            let values = inputs.iter().zip(self.inputs);
            let leaves: Vec<_> = values
                .map(|(x, shape)| tape.leaf(x.clone(), shape))
                .collect();
            let loss = self.scalar(&tape, &leaves);
            let mut back = loss.backward();
            let of_leaf =
                |(&leaf, shape): (&Var<'_, T>, &&[usize])| back.take(leaf).dense(count(shape));
            let gradients: Vec<Vec<T>> = leaves.iter().zip(self.inputs).map(of_leaf).collect();
            let step = (loss.scalar(), gradients);
            if let Some(first) = &found {
                assert!(*first == step, "{}: the second step differs", self.name);
            }
            found = Some(step);
            tape.reset();
        }
        found.unwrap_or_default()
    }
}

fn spans(kind: usize) -> Arc<Spans> {
    let lengths = [3, 1, 4];
    Arc::new(match kind {
        0 => Spans::causal(&lengths),
        1 => Spans::full(&lengths),
        _ => Spans::last(&lengths),
    })
}

fn sparse<T: Float>() -> Arc<Csr<T>> {
    let values = [0.5, -1.0, 2.0, 0.25].map(T::of).to_vec();
    Arc::new(Csr::new(vec![0, 2, 2, 4], vec![0, 3, 1, 3], values, 5))
}

/// A path of five nodes with one more edge, and a node without edges.
fn graph<T: Float>() -> Arc<Graph<T>> {
    let neighbors = vec![1, 0, 2, 4, 1, 3, 2, 4, 1, 3];
    let scales = [1.0, 0.5, 0.75, -0.5, 0.25, 2.0].map(T::of).to_vec();
    Arc::new(Graph::new(vec![0, 1, 4, 6, 8, 10, 10], neighbors, scales))
}

/// The cases for one element type.
macro_rules! cases {
    ($float:ty) => {{
        const ANY: (f32, f32) = (-2.0, 2.0);
        const POSITIVE: (f32, f32) = (0.3, 2.0);
        const SHARE: (f32, f32) = (0.05, 0.9);
        let case = |name, inputs, range, op| Case::<$float> {
            name,
            inputs,
            range,
            op,
        };
        vec![
            case("add", &[&[2, 3], &[2, 3]], ANY, |_, x| x[0] + x[1]),
            case("sub", &[&[2, 3], &[2, 3]], ANY, |_, x| x[0] - x[1]),
            case("mul", &[&[2, 3], &[2, 3]], ANY, |_, x| x[0] * x[1]),
            case("the same twice", &[&[2, 3]], ANY, |_, x| {
                x[0] * x[0] + x[0] - (x[0] * x[0]).scale(0.3)
            }),
            case("add_rows", &[&[4, 3], &[3]], ANY, |_, x| {
                x[0].add_rows(x[1])
            }),
            case(
                "add_rows of positions",
                &[&[2, 3, 4], &[3, 4]],
                ANY,
                |_, x| x[0].add_rows(x[1]),
            ),
            case("mul_rows", &[&[4, 3], &[3]], ANY, |_, x| {
                x[0].mul_rows(x[1])
            }),
            case("leaky_relu", &[&[17]], ANY, |_, x| x[0].leaky_relu(0.2)),
            case("scale", &[&[5]], ANY, |_, x| x[0].scale(-1.5)),
            case("relu", &[&[17]], ANY, |_, x| x[0].relu()),
            case("gelu", &[&[17]], ANY, |_, x| x[0].gelu()),
            case("sigmoid", &[&[17]], ANY, |_, x| x[0].sigmoid()),
            case("tanh", &[&[17]], ANY, |_, x| x[0].tanh()),
            case("exp", &[&[17]], ANY, |_, x| x[0].exp()),
            case("log", &[&[17]], POSITIVE, |_, x| x[0].log()),
            case("softplus", &[&[17]], ANY, |_, x| x[0].softplus()),
            case("dropout", &[&[40]], ANY, |_, x| {
                x[0].dropout(0.3, &mut Rng::new(3, 0))
            }),
            case("sum", &[&[3, 7]], ANY, |_, x| x[0].sum()),
            case("mean", &[&[3, 7]], ANY, |_, x| x[0].mean()),
            case("sum_of_squares", &[&[3, 7]], ANY, |_, x| {
                x[0].sum_of_squares()
            }),
            case("mean_of_squares", &[&[3, 7]], ANY, |_, x| {
                x[0].mean_of_squares()
            }),
            case("sum_rows", &[&[3, 7]], ANY, |_, x| x[0].sum_rows()),
            case("dot_rows", &[&[3, 19], &[3, 19]], ANY, |_, x| {
                x[0].dot_rows(x[1])
            }),
            case("scale_rows", &[&[3, 19], &[3]], ANY, |_, x| {
                x[0].scale_rows(x[1])
            }),
            case("normalize_rows", &[&[3, 21]], ANY, |_, x| {
                x[0].normalize_rows()
            }),
            case("softmax", &[&[3, 21]], ANY, |_, x| x[0].softmax()),
            case("log_softmax", &[&[3, 21]], ANY, |_, x| x[0].log_softmax()),
            case("layer_norm", &[&[3, 21], &[21], &[21]], ANY, |_, x| {
                x[0].layer_norm(x[1], x[2], 1e-5)
            }),
            case("matmul", &[&[2, 3, 4], &[4, 5]], ANY, |_, x| {
                x[0].matmul(x[1])
            }),
            case("matmul to one column", &[&[6, 4], &[4, 1]], ANY, |_, x| {
                x[0].matmul(x[1])
            }),
            case("matmul_t", &[&[3, 4], &[5, 4]], ANY, |_, x| {
                x[0].matmul_t(x[1])
            }),
            case("linear", &[&[3, 4], &[4, 5], &[5]], ANY, |_, x| {
                x[0].linear(x[1], x[2])
            }),
            case(
                "linear to one column",
                &[&[3, 4], &[4, 1], &[1]],
                ANY,
                |_, x| x[0].linear(x[1], x[2]),
            ),
            case("linear of a constant", &[&[4, 5], &[5]], ANY, |t, x| {
                let c = t.constant(vec![<$float>::of(0.7); 12], &[3, 4]);
                c.linear(x[0], x[1])
            }),
            case("batched_matmul", &[&[2, 3, 4], &[2, 4, 5]], ANY, |_, x| {
                x[0].batched_matmul(x[1])
            }),
            case(
                "batched_matmul_t",
                &[&[2, 3, 4], &[2, 5, 4]],
                ANY,
                |_, x| x[0].batched_matmul_t(x[1]),
            ),
            case("sparse_matmul", &[&[5, 70]], ANY, |_, x| {
                x[0].sparse_matmul(&sparse())
            }),
            case("graph_matmul", &[&[6, 70]], ANY, |_, x| {
                x[0].graph_matmul(&graph())
            }),
            case("propagate, no layer", &[&[6, 3]], ANY, |_, x| {
                x[0].propagate(&graph(), 0, &[5, 2, 2])
            }),
            case("propagate, one layer", &[&[6, 70]], ANY, |_, x| {
                x[0].propagate(&graph(), 1, &[3, 0, 5, 3])
            }),
            case("propagate, three layers", &[&[6, 17]], ANY, |_, x| {
                x[0].propagate(&graph(), 3, &[4, 1, 4]) * x[0].gather(vec![4, 1, 5])
            }),
            case("gather of a leaf", &[&[6, 3]], ANY, |_, x| {
                let (a, b) = (x[0].gather(vec![4, 1, 4]), x[0].gather(vec![1, 5, 0]));
                a * b
            }),
            case(
                "gather of a leaf that is read whole too",
                &[&[4, 3]],
                ANY,
                |_, x| x[0].gather(vec![2, 2, 0]).matmul_t(x[0]),
            ),
            case("gather of a value", &[&[4, 3]], ANY, |_, x| {
                x[0].tanh().gather(vec![3, 3, 0])
            }),
            case("reshape", &[&[4, 3]], ANY, |_, x| {
                x[0].reshape(&[2, 6]).softmax()
            }),
            case("split_heads", &[&[2, 3, 4]], ANY, |_, x| {
                x[0].split_heads(2)
            }),
            case("merge_heads", &[&[4, 3, 2]], ANY, |_, x| {
                x[0].merge_heads(2)
            }),
            case("transpose", &[&[2, 3, 4]], ANY, |_, x| x[0].transpose()),
            case("columns", &[&[3, 5]], ANY, |_, x| {
                x[0].columns(1..4) * x[0].columns(2..5)
            }),
            case("rows", &[&[5, 2]], ANY, |_, x| {
                x[0].rows(1..4) * x[0].rows(2..5)
            }),
            case("step", &[&[2, 3, 4]], ANY, |_, x| x[0].step(1)),
            case("concat", &[&[3, 2], &[3, 4]], ANY, |_, x| x[0].concat(x[1])),
            case("stack", &[&[3, 2], &[4, 2]], ANY, |_, x| x[0].stack(x[1])),
            case(
                "attention, causal",
                &[&[8, 6], &[8, 6], &[8, 6]],
                ANY,
                |_, x| x[0].attention(x[1], x[2], &spans(0), 2),
            ),
            case(
                "attention, full",
                &[&[8, 6], &[8, 6], &[8, 6]],
                ANY,
                |_, x| x[0].attention(x[1], x[2], &spans(1), 3),
            ),
            case(
                "attention, last",
                &[&[3, 6], &[8, 6], &[8, 6]],
                ANY,
                |_, x| x[0].attention(x[1], x[2], &spans(2), 1),
            ),
            case("attention to itself", &[&[8, 20]], ANY, |_, x| {
                x[0].attention(x[0], x[0], &spans(0), 1)
            }),
            case("gru", &[&[3, 5], &[3, 15], &[3, 15]], ANY, |_, x| {
                x[0].gru(x[1], x[2])
            }),
            case("pool", &[&[8, 5], &[8, 2]], ANY, |_, x| {
                x[0].pool(x[1], &[3, 1, 4])
            }),
            case("cross_entropy", &[&[3, 20]], ANY, |_, x| {
                x[0].cross_entropy(vec![4, 19, 4])
            }),
            case("cross_entropy_over", &[&[3, 4], &[9, 4]], ANY, |_, x| {
                x[0].cross_entropy_over(x[1], vec![8, 0, 8])
            }),
            case("binary_cross_entropy", &[&[4]], ANY, |_, x| {
                x[0].binary_cross_entropy([0.0, 1.0, 1.0, 0.5].map(<$float>::of).to_vec())
            }),
            case("conjunction", &[&[3, 5], &[5, 4]], SHARE, |_, x| {
                x[0].conjunction(x[1])
            }),
            case("disjunction", &[&[3, 5], &[5, 4]], SHARE, |_, x| {
                x[0].disjunction(x[1])
            }),
            case("bpr", &[&[4], &[4]], ANY, |_, x| x[0].bpr(x[1])),
            case("linear_t", &[&[3, 5], &[4, 5], &[4]], ANY, |_, x| {
                x[0].linear_t(x[1], x[2])
            }),
            case(
                "top_k",
                &[&[3, 5], &[20, 5], &[20], &[20, 70]],
                ANY,
                |_, x| x[0].layer(x[1], x[2]).top_k(4).matmul(x[3]),
            ),
            case("sum of top_k", &[&[3, 5], &[20, 5], &[20]], ANY, |_, x| {
                x[0].layer(x[1], x[2]).top_k(4).sum()
            }),
            case(
                "top_k below",
                &[&[3, 5], &[20, 5], &[20], &[9, 7]],
                ANY,
                |_, x| {
                    let some: Vec<bool> = (0..20).map(|unit| unit % 3 > 0).collect();
                    let code = x[0].layer(x[1], x[2]).top_k_of(6, &some);
                    code.below(9).matmul(x[3])
                },
            ),
        ]
    }};
}

#[test]
fn gradients_equal_central_differences() {
    const H: f64 = 1e-5;
    for case in cases!(f64) {
        let (_, gradients) = case.gradients();
        let mut inputs = case.inputs();
        for (at, gradient) in gradients.iter().enumerate() {
            for k in 0..gradient.len() {
                let x = inputs[at][k];
                inputs[at][k] = x + H;
                let above = case.loss(&inputs);
                inputs[at][k] = x - H;
                let below = case.loss(&inputs);
                inputs[at][k] = x;
                let slope = (above - below) / (2.0 * H);
                let error = (gradient[k] - slope).abs();
                assert!(
                    error < 1e-8 * (1.0 + slope.abs()) + 1e-8,
                    "{}, input {at}, number {k}: {} instead of {slope}",
                    case.name,
                    gradient[k]
                );
            }
        }
    }
}

#[test]
fn single_precision_agrees_with_double() {
    for (single, double) in cases!(f32).into_iter().zip(cases!(f64)) {
        let ((a, ga), (b, gb)) = (single.gradients(), double.gradients());
        let close = |a: f32, b: f64| (f64::from(a) - b).abs() < 2e-5 * (1.0 + b.abs());
        assert!(close(a, b), "{}: {a} and {b}", single.name);
        for (a, b) in ga.iter().flatten().zip(gb.iter().flatten()) {
            assert!(close(*a, *b), "{}: gradients {a} and {b}", single.name);
        }
    }
}

#[test]
fn fused_operations_equal_their_definitions() {
    let mut rng = Rng::new(8, 0);
    let tape = Tape::<f64>::default();
    let mut leaf = |shape: &[usize]| {
        tape.leaf(
            Arc::new(uniforms(&mut rng, count(shape), (-2.0, 2.0))),
            shape,
        )
    };
    let same = |a: Var<'_, f64>, b: Var<'_, f64>| {
        let (a, b) = (a.value(), b.value());
        assert_eq!(a.len(), b.len());
        a.iter()
            .zip(&b[..])
            .for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{a} {b}"));
    };
    fn heads(x: Var<'_, f64>) -> Var<'_, f64> {
        x.reshape(&[2, 5, 6]).split_heads(2)
    }
    // Two sequences of five, two heads of three columns.
    let [q, k, v] = [(); 3].map(|()| leaf(&[10, 6]));
    let logits = heads(q).batched_matmul_t(heads(k)).scale(1.0 / 3f64.sqrt());
    let hidden = (0..25)
        .map(|i| if i % 5 > i / 5 { -1e9 } else { 0.0 })
        .collect::<Vec<_>>();
    let seen = logits.add_rows(tape.constant(hidden, &[5, 5])).softmax();
    let expected = seen
        .batched_matmul(heads(v))
        .merge_heads(2)
        .reshape(&[10, 6]);
    let spans = Arc::new(Spans::causal(&[5, 5]));
    same(q.attention(k, v, &spans, 2), expected);
    let last = Arc::new(Spans::last(&[5, 5]));
    let of_last = q.gather(last.last_rows()).attention(k, v, &last, 2);
    same(of_last, expected.gather(vec![4, 9]));

    let (x, table, targets) = (leaf(&[3, 4]), leaf(&[7, 4]), vec![6u32, 0, 2]);
    let rows = x.matmul_t(table).log_softmax();
    let chosen = rows.value();
    let mean = (chosen[6] + chosen[7] + chosen[16]) / -3.0;
    let entropies = [
        x.matmul_t(table).cross_entropy(targets.clone()),
        x.cross_entropy_over(table, targets),
    ];
    entropies
        .iter()
        .for_each(|l| assert!((l.scalar() - mean).abs() < 1e-12));
    same(x.matmul_t(table).softmax(), rows.exp());
    same(x.matmul_t(table), x.matmul(table.transpose()));
    let (w, b, y) = (leaf(&[7, 4]), leaf(&[7]), leaf(&[7, 6]));
    let (layer, all) = (x.layer(w, b), x.matmul(w.transpose()).add_rows(b));
    same(layer.outputs(), all);
    // As many as there are units: all above 0.
    same(layer.top_k(7).matmul(y), all.relu().matmul(y));
    same(
        layer.top_k(9).sum().reshape(&[1]),
        all.relu().sum().reshape(&[1]),
    );
    let a = sparse::<f64>();
    let dense = [
        [0.5, 0.0, 0.0, -1.0, 0.0],
        [0.0; 5],
        [0.0, 2.0, 0.0, 0.25, 0.0],
    ];
    let dense = tape.constant(dense.concat(), &[3, 5]);
    let x = leaf(&[5, 4]);
    same(x.sparse_matmul(&a), dense.matmul(x));
    // One logit per row: attention of a query that gives these logits.
    let (v, logits) = (leaf(&[4, 3]), leaf(&[4, 1]));
    let p = logits.reshape(&[1, 4]).softmax();
    same(v.pool(logits, &[4]), p.matmul(v));
    let (x, graph, mut by_layer) = (leaf(&[6, 4]), graph::<f64>(), Vec::new());
    by_layer.push(x);
    for _ in 0..3 {
        by_layer.extend(by_layer.last().map(|x| x.graph_matmul(&graph)));
    }
    let sum = by_layer[0] + by_layer[1] + by_layer[2] + by_layer[3];
    let rows = vec![5, 1, 1, 3];
    same(x.propagate(&graph, 3, &rows), sum.scale(0.25).gather(rows));
    // Node 1 has the neighbors 0, 2 and 4: 0.5 (1 x₀ + 0.75 x₂ + 0.25 x₄).
    let (x, product) = (x.value(), by_layer[1].value());
    assert!((product[4] - 0.5 * (x[0] + 0.75 * x[8] + 0.25 * x[16])).abs() < 1e-12);
}

#[test]
fn a_table_that_is_only_gathered_has_a_sparse_gradient() {
    let tape = Tape::<f32>::default();
    let table = tape.leaf(Arc::new(vec![1.0; 10]), &[5, 2]);
    let loss = table.gather(vec![3, 1, 3]).sum();
    let expected = Gradient::Rows {
        rows: vec![1, 3],
        values: vec![1.0, 1.0, 2.0, 2.0],
    };
    assert_eq!(loss.backward().take(table), expected);
}

/// All operations on arrays that are large enough to be divided among threads.
#[test]
fn result_does_not_depend_on_the_number_of_threads() {
    let step = || {
        let mut rng = Rng::new(2, 0);
        let tape = Tape::<f32>::default();
        let mut leaf =
            |shape: &[usize]| tape.leaf(Arc::new(rng.uniforms(count(shape), -0.5, 0.5)), shape);
        let (table, w, b) = (leaf(&[700, 64]), leaf(&[64, 64]), leaf(&[64]));
        let at: Vec<u32> = (0..2400u32).map(|k| k * k % 700).collect();
        let lengths = [20; 120];
        let spans = Arc::new(Spans::causal(&lengths));
        let x = table.gather(at).layer_norm(b, b, 1e-5).linear(w, b);
        let x = x.attention(x.gelu(), x, &spans, 2) + x;
        let x = x.layer(w, b).top_k(9).matmul(w);
        let last = Arc::new(Spans::last(&lengths)).last_rows();
        let targets: Vec<u32> = (0..120).map(|k| k * 5).collect();
        let loss = x.gather(last).cross_entropy_over(table, targets);
        let loss = loss + x.mean_of_squares();
        let mut back = loss.backward();
        let gradients = [table, w, b].map(|leaf| back.take(leaf));
        (loss.scalar(), gradients)
    };
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(step)
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(5));
}
