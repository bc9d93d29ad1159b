//! Full and read-only disks.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::child::{limpid, limpid_after};
use crate::mutate::Random;
use crate::samples::{Samples, copy, names, text};
use crate::table::{Fault, Row, run_all};

/// A model with checkpoints, and one without.
const MODELS: [&str; 2] = ["sasrec", "ease"];

pub(crate) fn run(cases: usize) -> Row {
    let samples = Samples::new(&MODELS.map(str::to_owned));
    let mounts = can_mount();
    run_all("full and read-only disks", cases, |case, row| {
        let mut random = Random::new(53, case);
        let model = MODELS[case % 2];
        let place = tempfile::tempdir().unwrap();
        let before = samples.model(MODELS[(case + 1) % 2]);
        let target = place.path().join("model");
        match case % 4 {
            // A limit on the length of files: writing fails at any byte.
            0 | 1 => {
                copy(&before, &target);
                let kilobytes = random.below(40);
                let setup = format!("trap '' XFSZ; ulimit -f {kilobytes};");
                let arguments = samples.arguments(model, &target);
                let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
                row.check(&limpid_after(&setup, &words));
                intact(&target, row);
                left(place.path(), row);
            }
            // A disk of limited size, or one that cannot be written, in a mount of this process only.
            2 if mounts => {
                let disk = place.path().join("disk");
                fs::create_dir(&disk).unwrap();
                let size = 60 + random.below(200);
                let (on, limit) = (
                    text(&disk),
                    match random.below(3) {
                        0 => "mount -o remount,ro \"$D\";".to_owned(),
                        _ => String::new(),
                    },
                );
                // What is on the disk is copied out, to be seen after the mount is gone.
                let setup = format!(
                    "D={on}; mount -t tmpfs -o size={size}k tmpfs \"$D\" || exit 9; cp -r {} \"$D/model\" || rm -rf \"$D/model\"; {limit} set +e; \
                     run() {{ \"$@\"; code=$?; ls -A \"$D\" > {on}.names; cp -r \"$D\" {on}.after; exit $code; }}; ",
                    text(&before)
                );
                let arguments = samples.arguments(model, &disk.join("model"));
                let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
                row.check(&mounted(&setup, &words));
                let after = place.path().join("disk.after");
                if after.join("model").exists() {
                    intact(&after.join("model"), row);
                }
                left(&after, row);
            }
            // A device that is full, and folders that are not there or are something else.
            _ => {
                let saved = text(&samples.model("ease"));
                let file = match random.below(4) {
                    0 => "/dev/full".to_owned(),
                    1 => text(&place.path().join("nowhere/lists.csv")),
                    2 => text(place.path()),
                    _ => "/proc/nothing/lists.csv".to_owned(),
                };
                row.check(&limpid(&[
                    "recommend",
                    &saved,
                    "--users",
                    "all",
                    "-o",
                    &file,
                ]));
                let arguments = samples.arguments(model, Path::new("/proc/nothing/model"));
                let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
                row.check(&limpid(&words));
            }
        }
    })
}

/// A model that was there is there, the old one or the new one.
fn intact(model: &Path, row: &mut Row) {
    let verified = limpid(&["verify", &text(model)]);
    if !verified.succeeded() {
        row.fault(Fault::Lost, verified.words());
    }
}

/// No pieces are left, apart from the checkpoint of a fit that did not save its model.
fn left(folder: &Path, row: &mut Row) {
    let left: Vec<String> = names(folder)
        .into_iter()
        .filter(|n| !["model", "model.checkpoint"].contains(&n.as_str()))
        .collect();
    if !left.is_empty() {
        row.fault(Fault::Lost, format!("left behind: {left:?}"));
    }
}

/// Whether this process may mount a file system of its own.
fn can_mount() -> bool {
    let tried = Command::new("unshare")
        .args(["-rm", "mount", "-t", "tmpfs", "tmpfs", "/tmp"])
        .output();
    let can = tried.is_ok_and(|out| out.status.success());
    if !can {
        println!("no mounts here; full disks are limits on the length of files only");
    }
    can
}

/// Runs the binary on a mount of its own, by a function `run` of the shell.
fn mounted(setup: &str, args: &[&str]) -> crate::child::Outcome {
    let mut shell = Command::new("unshare");
    shell
        .args(["-rm", "sh", "-c", &format!("{setup} run \"$0\" \"$@\"")])
        .arg(crate::child::program())
        .args(args)
        .args(["--threads", "1"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    crate::child::wait(shell.spawn().unwrap(), args.join(" "))
}
