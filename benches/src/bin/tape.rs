//! Milliseconds of a training step of four networks on the tape: SASRec, an MLP, LightGCN and a sparse
//! autoencoder, all with Adam. `benches/peers/tape_torch.py` times the same steps in PyTorch on the
//! inputs that this program writes.
//!
//! `RAYON_NUM_THREADS=2 cargo run --release -p limpid-benches --bin tape -- FOLDER [TASK] [SECONDS]`

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use limpid_tensor::optim::adam::Adam;
use limpid_tensor::tape::{Csr, Network, Spans, Tape, TapeLearner, Var};
use limpid_tensor::{Learner, Parameter, Rng};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Loss = Box<dyn for<'t> Fn(&'t Tape, &[Var<'t>]) -> Var<'t>>;

/// A network with its inputs.
struct Task {
    loss: Loss,
}

impl Network for Task {
    fn begin(&mut self, _: usize, _: &mut Rng) -> usize {
        1
    }

    fn loss<'t>(&self, tape: &'t Tape, w: &[Var<'t>], _: &[u32], _: &mut Rng) -> Var<'t> {
        (self.loss)(tape, w)
    }
}

/// The inputs of a task, as written for the PyTorch script.
struct Inputs<'a> {
    folder: &'a Path,
    task: &'a str,
    rng: Rng,
    weights: Vec<Parameter>,
}

impl Inputs<'_> {
    fn write(&self, name: &str, kind: &str, bytes: Vec<u8>) {
        let file = self.folder.join(format!("{}.{name}.{kind}", self.task));
        fs::write(&file, bytes).unwrap_or_else(|e| panic!("cannot write {}: {e}", file.display()));
    }

    fn floats(&self, name: &str, values: Vec<f32>) -> Vec<f32> {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.write(name, "f32", bytes);
        values
    }

    fn numbers(&self, name: &str, values: Vec<u32>) -> Vec<u32> {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.write(name, "u32", bytes);
        values
    }

    fn normals(&mut self, n: usize, deviation: f32) -> Vec<f32> {
        (0..n).map(|_| deviation * self.rng.normal()).collect()
    }

    /// Numbers below n, skewed to small ones.
    fn skewed(&mut self, count: usize, n: usize) -> Vec<u32> {
        let of = |x: f32| (x.powi(3) * n as f32) as u32;
        (0..count)
            .map(|_| of(self.rng.unit()).min(n as u32 - 1))
            .collect()
    }

    fn weight(&mut self, name: &str, shape: &[usize], deviation: f32) {
        let values = self.normals(shape.iter().product(), deviation);
        let values = self.floats(name, values);
        self.weights
            .push(Parameter::shaped(name.to_owned(), shape, values));
    }

    fn constant(&mut self, name: &str, n: usize, value: f32) {
        let values = self.floats(name, vec![value; n]);
        self.weights.push(Parameter::new(name.to_owned(), values));
    }

    /// Two layers of width 64 over 256 sequences of length 20; all 8,713 items are scored.
    fn sasrec(&mut self) -> Loss {
        let (n, d, length, batch) = (8713, 64, 20, 256);
        self.weight("items", &[n, d], 0.02);
        self.weight("places", &[length, d], 0.02);
        for layer in 0..2 {
            for name in ["q", "k", "v", "o", "w1", "w2"] {
                self.weight(&format!("{layer}.{name}"), &[d, d], 0.125);
                self.constant(&format!("{layer}.{name}.bias"), d, 0.0);
            }
            for name in ["norm1", "norm2"] {
                self.constant(&format!("{layer}.{name}.gain"), d, 1.0);
                self.constant(&format!("{layer}.{name}.bias"), d, 0.0);
            }
        }
        self.constant("norm.gain", d, 1.0);
        self.constant("norm.bias", d, 0.0);
        let at = self.skewed(batch * length, n);
        let at = Arc::new(self.numbers("at", at));
        let targets = self.skewed(batch, n);
        let targets = Arc::new(self.numbers("targets", targets));
        let spans = Arc::new(Spans::causal(&vec![length; batch]));
        let last = Arc::new(spans.last_rows());
        Box::new(move |_, w| {
            let (items, places) = (w[0], w[1]);
            let x = items.gather(at.clone()).scale(8.0);
            let mut x = x
                .reshape(&[batch, length, d])
                .add_rows(places)
                .reshape(&[batch * length, d]);
            for p in w[2..34].chunks_exact(16) {
                let q = x.layer_norm(p[12], p[13], 1e-5);
                let (key, value) = (x.linear(p[2], p[3]), x.linear(p[4], p[5]));
                let seen = q.linear(p[0], p[1]).attention(key, value, &spans, 1);
                x = (q + seen.linear(p[6], p[7])).layer_norm(p[14], p[15], 1e-5);
                x = x + x.linear(p[8], p[9]).relu().linear(p[10], p[11]);
            }
            let x = x.gather(last.clone()).layer_norm(w[34], w[35], 1e-5);
            x.cross_entropy_over(items, targets.clone())
        })
    }

    /// 4,096 rows of 256 columns, layers of 256 and 128, one output.
    fn mlp(&mut self) -> Loss {
        for (layer, (a, b)) in [(256, 256), (256, 128), (128, 1)].into_iter().enumerate() {
            self.weight(&format!("w{layer}"), &[a, b], (1.0 / a as f32).sqrt());
            self.constant(&format!("b{layer}"), b, 0.0);
        }
        let x = self.normals(4096 * 256, 1.0);
        let x = Arc::new(self.floats("x", x));
        let targets = (0..4096).map(|_| self.rng.below(2) as f32).collect();
        let targets = Arc::new(self.floats("targets", targets));
        Box::new(move |tape, w| {
            let x = tape.constant(x.clone(), &[4096, 256]);
            let x = x.linear(w[0], w[1]).relu().linear(w[2], w[3]).relu();
            x.linear(w[4], w[5]).binary_cross_entropy(targets.clone())
        })
    }

    /// Three layers of width 64 over 30,000 users, 41,000 items and about a million edges; 2,048 pairs.
    fn lightgcn(&mut self) -> Loss {
        let (users, items, d, batch) = (30_000usize, 41_000usize, 64, 2048);
        let n = users + items;
        let (from, to) = (self.skewed(1_050_000, users), self.skewed(1_050_000, items));
        let to = to.into_iter().map(|i| i + users as u32);
        let mut edges: Vec<(u32, u32)> = from.into_iter().zip(to).collect();
        edges.sort_unstable();
        edges.dedup();
        let reversed: Vec<_> = edges.iter().map(|&(u, i)| (i, u)).collect();
        let chosen: Vec<_> = (0..batch)
            .map(|_| edges[self.rng.below(edges.len())])
            .collect();
        edges.extend(reversed);
        edges.sort_unstable();
        let mut offsets = vec![0usize; n + 1];
        edges
            .iter()
            .for_each(|&(r, _)| offsets[r as usize + 1] += 1);
        let degrees = offsets.clone();
        (0..n).for_each(|r| offsets[r + 1] += offsets[r]);
        let root = |r: u32| (degrees[r as usize + 1] as f32).sqrt();
        let values = edges
            .iter()
            .map(|&(r, c)| 1.0 / (root(r) * root(c)))
            .collect();
        let values = self.floats("values", values);
        let columns = self.numbers("columns", edges.iter().map(|&(_, c)| c).collect());
        self.numbers("offsets", offsets.iter().map(|&o| o as u32).collect());
        let graph = Arc::new(Csr::new(offsets, columns, values, n));
        self.weight("table", &[n, d], 0.1);
        let negatives = (0..batch)
            .map(|_| (users + self.rng.below(items)) as u32)
            .collect();
        let pick = [
            ("users", chosen.iter().map(|&(u, _)| u).collect()),
            ("positives", chosen.iter().map(|&(_, i)| i).collect()),
            ("negatives", negatives),
        ];
        let pick = pick.map(|(name, rows)| Arc::new(self.numbers(name, rows)));
        Box::new(move |_, w| {
            let (mut x, mut mean) = (w[0], w[0]);
            for _ in 0..3 {
                x = x.sparse_matmul(&graph);
                mean = mean + x;
            }
            let mean = mean.scale(0.25);
            let [user, positive, negative] = pick.each_ref().map(|at| mean.gather(at.clone()));
            let loss = user.dot_rows(positive).bpr(user.dot_rows(negative));
            let [a, b, c] = pick
                .each_ref()
                .map(|at| w[0].gather(at.clone()).sum_of_squares());
            loss + (a + b + c).scale(1e-4 / batch as f64)
        })
    }

    /// 1,024 rows of 256 columns, 2,048 units, 32 of them active.
    fn autoencoder(&mut self) -> Loss {
        self.weight("encoder", &[2048, 256], 0.0625);
        self.constant("encoder.bias", 2048, 0.0);
        self.weight("decoder", &[2048, 256], 0.02);
        self.constant("decoder.bias", 256, 0.0);
        let x = self.normals(1024 * 256, 1.0);
        let x = Arc::new(self.floats("x", x));
        Box::new(move |tape, w| {
            let x = tape.constant(x.clone(), &[1024, 256]);
            let layer = x.add_rows(w[3].scale(-1.0)).layer(w[0], w[1]);
            (layer.top_k(32).matmul(w[2]).add_rows(w[3]) - x).mean_of_squares()
        })
    }
}

/// CPU time of all threads of this process, if the system reports it: less noisy than wall-clock time on a
/// machine with other load.
fn cpu_milliseconds() -> f64 {
    let of_task = |task: std::io::Result<fs::DirEntry>| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    };
    let tasks = fs::read_dir("/proc/self/task");
    let nanoseconds: f64 = tasks.map_or(0.0, |tasks| tasks.filter_map(of_task).sum());
    nanoseconds / 1e6
}

#[allow(clippy::print_stdout)]
fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let folder = args.first().map_or("target/tape", String::as_str);
    let seconds = args.get(2).map_or(Ok(4.0), |s| s.parse())?;
    fs::create_dir_all(folder)?;
    type Make = fn(&mut Inputs<'_>) -> Loss;
    let tasks: [(&str, Make); 4] = [
        ("sasrec", |i| i.sasrec()),
        ("mlp", |i| i.mlp()),
        ("lightgcn", |i| i.lightgcn()),
        ("sae", |i| i.autoencoder()),
    ];
    for (task, make) in tasks {
        if args
            .get(1)
            .is_some_and(|only| only != task && only != "all")
        {
            continue;
        }
        let mut inputs = Inputs {
            folder: Path::new(folder),
            task,
            rng: Rng::new(7, 0),
            weights: Vec::new(),
        };
        let loss = make(&mut inputs);
        let mut learner = TapeLearner::new(Task { loss }, inputs.weights, Adam::new(1e-3));
        let (mut losses, mut times) = (Vec::new(), Vec::new());
        let before = cpu_milliseconds();
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        while losses.len() < 6 || Instant::now() < end {
            let started = Instant::now();
            losses.push(learner.step(&[0], 1e-3, &mut inputs.rng));
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let least = times.iter().copied().fold(f64::INFINITY, f64::min);
        let cpu = (cpu_milliseconds() - before) / times.len() as f64;
        let losses: Vec<String> = losses[..6].iter().map(|l| format!("{l:.6}")).collect();
        println!(
            "limpid {task} {least:.2} ms, CPU {cpu:.2} ms, {} steps, losses {}",
            times.len(),
            losses.join(" ")
        );
    }
    Ok(())
}
