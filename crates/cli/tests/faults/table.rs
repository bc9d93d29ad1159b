//! What was found, as rows of one table.

use std::collections::BTreeMap;
use std::path::Path;

use crate::child::Outcome;

/// What must not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    Panic,
    Hang,
    Memory,
    Unnoticed,
    Lost,
    Control,
}

impl Fault {
    const ALL: [(Self, &str); 6] = [
        (Self::Panic, "panics"),
        (Self::Hang, "over 20 s"),
        (Self::Memory, "over 4 GB"),
        (Self::Unnoticed, "unnoticed changes"),
        (Self::Lost, "lost models"),
        (Self::Control, "raw control characters"),
    ];
}

/// The cases of one family and their faults.
pub(crate) struct Row {
    pub(crate) family: &'static str,
    pub(crate) cases: usize,
    runs: usize,
    refused: usize,
    faults: BTreeMap<Fault, Vec<String>>,
}

impl Row {
    pub(crate) fn new(family: &'static str) -> Self {
        Self {
            family,
            cases: 0,
            runs: 0,
            refused: 0,
            faults: BTreeMap::new(),
        }
    }

    pub(crate) fn fault(&mut self, fault: Fault, what: String) {
        self.faults.entry(fault).or_default().push(what);
    }

    /// Whatever is asked, a run ends in time, within memory, without a panic and without raw control
    /// characters.
    pub(crate) fn check(&mut self, outcome: &Outcome) {
        let fault = match outcome.status {
            None => Some(Fault::Hang),
            Some(_) if outcome.too_large() => Some(Fault::Memory),
            Some(_) if !outcome.ended_well() => Some(Fault::Panic),
            Some(_) => None,
        };
        if let Some(fault) = fault {
            self.fault(fault, outcome.words());
        }
        if let Some(c) = outcome.control() {
            self.fault(Fault::Control, format!("{c:?} in {}", outcome.words()));
        }
        self.runs += 1;
        self.refused += usize::from(outcome.ended_well() && !outcome.succeeded());
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    /// The first faults of each kind.
    pub(crate) fn details(&self) -> String {
        let mut text = format!("{}, {} cases", self.family, self.cases);
        for (fault, all) in &self.faults {
            text += &format!("\n{fault:?}: {}", all.len());
            for one in all.iter().take(5) {
                text += &format!("\n  {one}");
            }
        }
        text
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.cases += other.cases;
        self.runs += other.runs;
        self.refused += other.refused;
        for (fault, mut all) in other.faults {
            self.faults.entry(fault).or_default().append(&mut all);
        }
        self
    }
}

/// Runs cases `0..n` on all CPUs; `each` adds to the row of its thread.
pub(crate) fn run_all(
    family: &'static str,
    n: usize,
    each: impl Fn(usize, &mut Row) + Sync,
) -> Row {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let rows: Vec<Row> = std::thread::scope(|scope| {
        let each = &each;
        let spawned: Vec<_> = (0..threads)
            .map(|t| {
                scope.spawn(move || {
                    let mut row = Row::new(family);
                    for case in (t..n).step_by(threads) {
                        each(case, &mut row);
                        row.cases += 1;
                    }
                    row
                })
            })
            .collect();
        spawned.into_iter().map(|t| t.join().unwrap()).collect()
    });
    rows.into_iter().fold(Row::new(family), Row::merge)
}

/// The page `docs/reliability.md`.
pub(crate) fn page(rows: &[Row]) -> String {
    let mut page = "# Reliability\n\n\
        Damage on purpose, and what came of it. This page is written by the harness that does the damage,\n\
        `crates/cli/tests/faults`; every case runs the binary within 20 seconds and 4 GB of address space:\n\n\
        \x20   LIMPID_WRITE_DOCS=1 cargo test -p limpid-cli --test faults -- --ignored --nocapture\n\n\
        A short form runs with the tests. A case is one or more runs of the program. A run is *refused*\n\
        where it ended with an error message and a documented exit code; the others succeeded.\n\n"
        .to_owned();
    let heads: Vec<&str> = Fault::ALL.iter().map(|(_, name)| *name).collect();
    page += &format!(
        "| what | cases | runs | refused | {} |\n",
        heads.join(" | ")
    );
    page += &format!("|---|{}\n", "--:|".repeat(heads.len() + 3));
    for row in rows {
        let counts =
            Fault::ALL.map(|(fault, _)| row.faults.get(&fault).map_or(0, Vec::len).to_string());
        page += &format!(
            "| {} | {} | {} | {} | {} |\n",
            row.family,
            row.cases,
            row.runs,
            row.refused,
            counts.join(" | ")
        );
    }
    page += "\n\
        - **Inputs**: files of every format, with bytes flipped, cut, repeated and replaced, are described and\n\
        \x20 split.\n\
        - **Damaged models**: one file of a saved model is changed, cut, removed, exchanged with that of another\n\
        \x20 model, or replaced by a folder, a link or a pipe. A change of content that `limpid verify` accepts is\n\
        \x20 unnoticed.\n\
        - **Hostile models**: the same for the inside of the files, and all checksums are made anew, as an\n\
        \x20 attacker would. Such a model may be accepted; it must do no harm.\n\
        - **Kills**: `kill -9` at a random moment while a model is replaced. The folder must verify afterwards,\n\
        \x20 and what was left behind must be gone after the next save.\n\
        - **Disks**: full at a random byte, of limited size, or read-only, while models and tables are written.\n\
        \x20 The model that was there must verify afterwards.\n\
        - **Texts**: ids, titles and metadata with escape sequences, control characters, direction overrides,\n\
        \x20 formulas and markup, through every verb in every output format.\n";
    page
}

/// Writes the page; what follows the table's part, such as results of fuzzing, stays.
pub(crate) fn write(page: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reliability.md");
    let old = std::fs::read_to_string(&file).unwrap_or_default();
    let rest = old.find("\n## ").map_or("", |at| &old[at..]);
    std::fs::write(file, format!("{page}{rest}")).unwrap();
}
