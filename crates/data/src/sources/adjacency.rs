//! Adjacency lists: a line `user item item …` a user, split by spaces or tabs, without times.
//!
//! Graph recommenders publish them in two forms. Flat: `train.txt` and `test.txt` hold the target
//! behavior, other files (`cart.txt`, `view.txt`) are named by their behavior. Or a folder a behavior
//! with `train.txt` and `test.txt` each; then only the test file of the target is the test set: the
//! others would leak the held-out items, so they are left out with a note.

use std::io::BufRead;

use super::Source;
use super::builder::{Builder, Draft};
use super::chain;
use super::lines::{Cell, FIX_LINE, Flaw, Lines};
use super::place::{Entry, Folder};
use crate::log::GivenSubset;
use crate::{Error, Result};

/// The behavior of `train.txt` where there are other behaviors beside it.
const TARGET: &str = "buy";

/// Names of the validation file.
const VALIDATION: [&str; 4] = ["valid", "validation", "val", "dev"];

pub(super) const SOURCE: Source = Source {
    name: "adjacency",
    in_folder: |folder, _| Ok(is_here(folder)),
    read,
    ..Source::DEFAULT
};

/// Whether the folder holds adjacency lists, by the names of its files.
fn is_here(folder: &Folder<'_>) -> bool {
    folder.get("train.txt").is_some() || !behaviors(folder).is_empty()
}

/// The subfolders with a train file, ordered by name.
fn behaviors(folder: &Folder<'_>) -> Vec<String> {
    let mut names: Vec<String> = folder
        .entries()
        .iter()
        .filter_map(|e| e.name.strip_suffix("/train.txt"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

/// Reads a folder, or a single file as one behavior.
fn read(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    builder.report.format = "adjacency lists".to_owned();
    if let Some(entry) = folder.single() {
        return read_file(entry, 0, None, builder);
    }
    let names = behaviors(folder);
    if names.is_empty() {
        flat(folder, builder)
    } else {
        by_folder(folder, &names, builder)
    }
}

/// One folder a behavior.
fn by_folder(folder: &Folder<'_>, names: &[String], builder: &mut Builder<'_>) -> Result<()> {
    let target = match &builder.options.target_behavior {
        Some(target) => target.clone(),
        None => {
            let known = |n: &&String| chain::place(n).is_some();
            let last = names.iter().filter(known).max_by_key(|n| chain::place(n));
            match last {
                Some(last) => last.clone(),
                None if names.len() == 1 => names[0].clone(),
                None => {
                    return Err(Error::source(
                        &folder.path,
                        format!("which behavior is to be predicted: {}?", names.join(", ")),
                        "name it with --target-behavior",
                    ));
                }
            }
        }
    };
    if !names.contains(&target) {
        return Err(Error::option(
            "--target-behavior",
            format!("'{target}' is not a folder of {}", folder.path.display()),
            format!("choose from {}", names.join(", ")),
        ));
    }
    let mut left_out = Vec::new();
    for name in names {
        let behavior = number(builder, name, folder)?;
        for (file, part) in parts(name, folder) {
            if part == GivenSubset::Train || *name == target {
                read_file(file, behavior, Some(part), builder)?;
            } else {
                left_out.push(file.stored.clone());
            }
        }
    }
    if !left_out.is_empty() {
        builder.note(format!(
            "{} left out: only {target} is tested, and held-out events of other behaviors would leak \
             what the test asks",
            left_out.join(", ")
        ));
    }
    Ok(())
}

/// The files of a behavior's folder with their subsets.
fn parts<'f, 'a>(name: &str, folder: &'f Folder<'a>) -> Vec<(&'f Entry<'a>, GivenSubset)> {
    let prefix = if name.is_empty() {
        String::new()
    } else {
        format!("{name}/")
    };
    let get = |stem: &str| folder.get(&format!("{prefix}{stem}.txt"));
    let mut parts = Vec::new();
    parts.extend(get("train").map(|e| (e, GivenSubset::Train)));
    let validation = VALIDATION.iter().find_map(|stem| get(stem));
    parts.extend(validation.map(|e| (e, GivenSubset::Validation)));
    parts.extend(get("test").map(|e| (e, GivenSubset::Test)));
    parts
}

/// Files side by side.
fn flat(folder: &Folder<'_>, builder: &mut Builder<'_>) -> Result<()> {
    let own = parts("", folder);
    if own
        .first()
        .is_none_or(|(_, part)| *part != GivenSubset::Train)
    {
        return Err(Error::source(
            &folder.path,
            format!("has no train.txt; found {}", folder.found()),
            "name a folder with train.txt, or one file with the format adjacency",
        ));
    }
    let stem = |e: &Entry<'_>| e.name.strip_suffix(".txt").map(str::to_owned);
    let others: Vec<(&Entry<'_>, String)> = folder
        .top()
        .filter_map(|e| Some((e, stem(e)?)))
        .filter(|(_, stem)| chain::place(stem).is_some())
        .collect();
    let has_split = own.len() > 1;
    let target = if others.is_empty() {
        "interaction"
    } else {
        TARGET
    };
    let target_number = number(builder, target, folder)?;
    for (file, part) in own {
        read_file(file, target_number, has_split.then_some(part), builder)?;
    }
    for (file, name) in others {
        let behavior = number(builder, &name, folder)?;
        read_file(
            file,
            behavior,
            has_split.then_some(GivenSubset::Train),
            builder,
        )?;
    }
    Ok(())
}

fn number(builder: &mut Builder<'_>, name: &str, folder: &Folder<'_>) -> Result<u8> {
    builder
        .behavior(name)
        .map_err(|flaw| Error::source(&folder.path, flaw.reason, "drop some of its folders"))
}

fn read_file(
    entry: &Entry<'_>,
    behavior: u8,
    part: Option<GivenSubset>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    builder.file(&entry.stored);
    lists(&mut *entry.open()?, &entry.label, behavior, part, builder)
}

/// Reads the lists of a stream.
pub(super) fn lists(
    reader: &mut dyn BufRead,
    label: &str,
    behavior: u8,
    part: Option<GivenSubset>,
    builder: &mut Builder<'_>,
) -> Result<()> {
    let mut lines = Lines::new(reader, label);
    let mut alone = 0usize;
    while lines.advance_to_text()? {
        let mut cells = words(lines.current());
        let Some(user) = cells.next() else { continue };
        let mut n = 0usize;
        for item in cells {
            let outcome = builder.event(&Draft {
                user,
                item,
                value: None,
                time: None,
                behavior,
                part,
            });
            // A list with a bad id is counted once, with the ids before it kept.
            let bad = outcome.is_err();
            builder.settle(label, lines.number(), outcome)?;
            n += 1;
            if bad {
                break;
            }
        }
        alone += usize::from(n == 0);
        if n == 0 && user.text.contains(&b',') {
            let flaw = Flaw::new(
                user.at,
                "missing field",
                "a line must have a user and at least one item, but has one word",
            )
            .hint(format!(
                "adjacency lists are split by spaces or tabs; {FIX_LINE}"
            ));
            builder.settle(label, lines.number(), Err(flaw))?;
        }
    }
    if alone > 0 {
        builder.note(format!("{label}: {alone} users have no item"));
    }
    Ok(())
}

/// The words of a line with their places.
fn words(line: &[u8]) -> impl Iterator<Item = Cell<'_>> {
    let mut at = 0;
    line.split(|b| b.is_ascii_whitespace())
        .filter_map(move |word| {
            let cell = Cell { text: word, at };
            at += word.len() + 1;
            (!word.is_empty()).then_some(cell)
        })
}
