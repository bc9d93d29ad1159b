//! Every path that the documents name exists, and rows of tables are complete.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The texts in back-ticks that look like a path of this repository.
fn paths(text: &str) -> Vec<&str> {
    let mut in_ticks = text.split('`').skip(1).step_by(2).collect::<Vec<_>>();
    in_ticks.retain(|t| {
        [
            "crates/",
            "benches/",
            "fuzz/",
            "examples/",
            "paper/",
            "docs/",
            ".ci/",
        ]
        .iter()
        .any(|p| t.starts_with(p))
            && !t.contains([' ', '<', '*'])
    });
    in_ticks
}

#[test]
fn every_path_that_is_named_exists() {
    let mut named = 0;
    for document in [
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "README.md",
        "docs/json.md",
    ] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for path in paths(&text) {
            // CONTRIBUTING names the file of a new model.
            if path.ends_with("yours.rs") {
                continue;
            }
            assert!(
                root().join(path).exists(),
                "{document} names {path}, which does not exist"
            );
            named += 1;
        }
    }
    assert!(named > 10, "the documents name only {named} paths");
}

/// A row with a missing cell shows its numbers under the wrong headings.
#[test]
fn rows_of_tables_have_as_many_cells_as_their_head() {
    let mut rows = 0;
    let mut documents = vec![root().join("README.md"), root().join("ARCHITECTURE.md")];
    for paper in fs::read_dir(root().join("paper")).unwrap() {
        documents.push(paper.unwrap().path().join("README.md"));
    }
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let mut head = None;
        for line in text.lines() {
            let Some(row) = line.strip_prefix('|') else {
                head = None;
                continue;
            };
            let cells = row.replace("\\|", "").matches('|').count();
            assert_eq!(
                *head.get_or_insert(cells),
                cells,
                "{}: {line}",
                document.display()
            );
            rows += 1;
        }
    }
    assert!(rows > 50, "only {rows} rows were read");
}
