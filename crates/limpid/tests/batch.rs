//! Batches that are stopped and continued.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

use limpid::batch::{Batch, Content, People};
use limpid::core::{Detail, Edits, NoProgress, Progress};
use limpid::data::synthetic;
use limpid::models::Config;
use limpid::output::{Destination, FileFormat};
use limpid::{Filter, Prepared, SplitFrom, TrainOptions, train};

/// Interrupts as soon as anything was written.
struct Impatient(AtomicU64);

impl Progress for Impatient {
    fn start(&self, _: &str, _: u64) {}

    fn step(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    fn interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

/// More users than one wave of parts on this machine has: what the first wave wrote is not written again,
/// and the file is that of a run in one piece.
#[test]
fn an_interrupted_batch_is_continued_where_it_stopped() {
    let world = synthetic::Config {
        users: 256 * (2 * rayon::current_num_threads() + 1),
        items: 30,
        items_per_user: 5,
        ..synthetic::Config::default()
    };
    let split = SplitFrom::Spec("none".parse().unwrap());
    let prepared = Prepared::synthetic(&world, &split).unwrap();
    let model = Config::named("popularity").unwrap();
    let advisor = train(prepared, &model, &TrainOptions::seeded(1), &NoProgress).unwrap();
    let people = People::training(&advisor).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, resume: bool, progress: &dyn Progress| {
        let to = Destination::new(&folder.path().join(name), FileFormat::ROWS, FileFormat::Csv);
        let batch = Batch {
            content: Content::Ledgers {
                detail: Detail::Lines,
            },
            n: 3,
            filter: &Filter::default(),
            edits: &Edits::none(),
            resume,
            progress,
        };
        advisor.write_batch(&people, &batch, &to.unwrap())
    };
    let whole = write("whole.csv", false, &NoProgress).unwrap();
    let stopped = write("stopped.csv", false, &Impatient(AtomicU64::new(0))).unwrap_err();
    assert!(stopped.to_string().contains("--resume"), "{stopped}");
    assert!(!folder.path().join("stopped.csv").exists());
    let continued = write("stopped.csv", true, &NoProgress).unwrap();
    assert!(continued.resumed > 0 && continued.resumed < continued.users);
    assert_eq!((continued.users, continued.rows), (whole.users, whole.rows));
    let bytes = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert!(bytes("whole.csv") == bytes("stopped.csv"));
}
