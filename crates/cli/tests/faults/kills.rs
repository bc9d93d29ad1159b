//! `kill -9` while a model is replaced.

use std::fs;
use std::time::{Duration, Instant};

use crate::child::{limpid, start, wait};
use crate::mutate::Random;
use crate::samples::{Samples, names, text};
use crate::table::{Fault, Row};

pub(crate) fn run(cases: usize) -> Row {
    let mut row = Row::new("kills while a model is replaced");
    // One writes checkpoints while it is fitted.
    let models = ["ease".to_owned(), "sasrec".to_owned()];
    let samples = Samples::new(&models);
    let place = tempfile::tempdir().unwrap();
    let target = place.path().join("model");
    let train = |case: usize| samples.arguments(&models[case % 2], &target);
    let run = |arguments: &[String]| {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        limpid(&words)
    };
    let started = Instant::now();
    let first = run(&train(0));
    assert!(first.succeeded(), "{}", first.words());
    let usual = started.elapsed();
    for case in 0..cases {
        let mut random = Random::new(41, case);
        let arguments = train(case);
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut child = start(&words);
        // Half of the kills hit any moment, half the writing.
        let started = Instant::now();
        if case % 2 == 0 {
            let at = usual.mul_f64(random.below(1200) as f64 / 1000.0);
            std::thread::sleep(at);
        } else {
            while child.try_wait().unwrap().is_none()
                && names(place.path()).len() < 2
                && started.elapsed() < Duration::from_secs(10)
            {}
            std::thread::sleep(Duration::from_micros(random.below(4000) as u64));
        }
        child.kill().unwrap();
        let killed = wait(child, arguments.join(" "));
        assert!(killed.status.is_some());
        let verified = limpid(&["verify", &text(&target)]);
        row.check(&verified);
        if !verified.succeeded() {
            row.fault(Fault::Lost, verified.words());
        }
        row.cases += 1;
    }
    let last = run(&train(0));
    row.check(&last);
    let left: Vec<String> = names(place.path())
        .into_iter()
        .filter(|n| n != "model")
        .collect();
    if !left.is_empty() {
        row.fault(Fault::Lost, format!("left behind: {left:?}"));
    }
    fs::remove_dir_all(&target).unwrap();
    row
}
