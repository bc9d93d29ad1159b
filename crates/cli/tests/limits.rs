//! Ctrl-C, sizes out of all proportion, and disks that fill up during a fit.

// Tests fail by panicking; signals and limits are those of Unix.
#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn command(setup: &str, args: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{setup} exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_limpid"))
        .args(args)
        .env_remove("LIMPID_DATA")
        .stdin(Stdio::null());
    shell
}

fn limpid(args: &[&str]) -> (Option<i32>, String, String) {
    ended(command("", args).output().unwrap())
}

fn ended(out: Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code(), text(&out.stdout), text(&out.stderr))
}

/// A small table of events.
fn data(folder: &Path) -> String {
    let mut text = "user,item\n".to_owned();
    for u in 0..60 {
        for k in 0..8 {
            text += &format!("u{u},i{}\n", (u * 7 + k * 5) % 31);
        }
    }
    let path = folder.join("events.csv");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn train<'a>(data: &'a str, model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = ["train", "--model", "sasrec", "--split", "ratio:70/10/20@7"];
    [&words[..], &["--data", data, "-o", model], more].concat()
}

#[test]
fn ctrl_c_saves_a_checkpoint_and_exits_with_130() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let long = ["--set", "epochs=100000", "--set", "patience=0"];
    let mut child = command("", &train(&data, &model, &long))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let checkpoint = folder.path().join("model.checkpoint");
    let started = Instant::now();
    while !checkpoint.exists() && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (code, _, stderr) = ended(child.wait_with_output().unwrap());
    assert_eq!(code, Some(130), "{stderr}");
    assert!(stderr.contains("error: interrupted; "), "{stderr}");
    assert!(stderr.contains(" saved; rerun to resume"), "{stderr}");
    assert!(checkpoint.exists() && !Path::new(&model).exists());
}

#[test]
fn a_disk_too_full_for_checkpoints_does_not_end_the_fit() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let short = train(&data, &model, &["--set", "epochs=3"]);
    let (code, _, stderr) = limpid(&short);
    assert_eq!(code, Some(0), "{stderr}");
    // A checkpoint has the weights, both moments and the best weights: four times the model.
    let bytes = fs::metadata(folder.path().join("model/model.safetensors"))
        .unwrap()
        .len();
    fs::remove_dir_all(&model).unwrap();
    let blocks = bytes * 3 / 2 / 512;
    let limit = format!("trap '' XFSZ; ulimit -f {blocks};");
    let (code, _, stderr) = ended(command(&limit, &short).output().unwrap());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("note: cannot save a checkpoint"),
        "{stderr}"
    );
    assert!(stderr.contains("the fit goes on"), "{stderr}");
    assert_eq!(limpid(&["verify", &model]).0, Some(0));
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 2, "the model and its data");
}

/// The checkpoint of a fit is there until its model is saved.
#[test]
fn a_model_that_cannot_be_saved_keeps_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let slow = train(&data, &model, &["--set", "epochs=60"]);
    let child = command("", &slow)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let checkpoint = folder.path().join("model.checkpoint");
    let started = Instant::now();
    while !checkpoint.exists() && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    // Somebody puts something else there while the model is fitted.
    fs::create_dir(&model).unwrap();
    fs::write(folder.path().join("model/notes.txt"), "mine").unwrap();
    let (code, _, stderr) = ended(child.wait_with_output().unwrap());
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("it contains 'notes.txt'"), "{stderr}");
    assert!(checkpoint.exists() && folder.path().join("model/notes.txt").exists());
}

#[test]
fn sizes_out_of_proportion_are_refused_with_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let model = folder.path().join("model").to_str().unwrap().to_owned();
    let ease = ["train", "--model", "ease", "--data", &data, "-o", &model];
    let (code, _, stderr) = limpid(&[&ease[..], &["--threads", "100000"]].concat());
    assert_eq!(code, Some(0), "{stderr}");
    assert!(
        stderr.contains("threads are used, the most that help"),
        "{stderr}"
    );
    let lists = folder.path().join("lists.csv").to_str().unwrap().to_owned();
    let long = "99999999999";
    for (args, rule) in [
        (
            &["recommend", &model, "--user", "u1", "-n", long][..],
            "from 1 to 1000000",
        ),
        (
            &[
                "recommend",
                &model,
                "--users",
                "all",
                "-n",
                long,
                "-o",
                &lists,
            ],
            "from 1 to 1000000",
        ),
        (
            &["similar", &model, "--item", "i1", "-n", "0"],
            "from 1 to 1000000",
        ),
        (&["evaluate", &model, "--resamples", long], "at most 100000"),
        (
            &[
                "explain",
                &model,
                "--user",
                "u1",
                "--why-not",
                "i1",
                "--max-edits",
                long,
            ],
            "from 1 to 100",
        ),
    ] {
        let (code, _, stderr) = limpid(args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(rule), "{args:?}: {stderr}");
    }
    for (model, set, rule) in [
        ("multvae", "hidden", "from 0 to 16384"),
        ("multvae", "embedding_size", "from 1 to 16384"),
        ("multdae", "embedding_size", "from 1 to 16384"),
        ("sasrec", "embedding_size", "from 1 to 2048"),
        ("sasrec", "max_length", "from 1 to 10000"),
    ] {
        let set = format!("{set}=1000000000000");
        let words = [
            "train", "--model", model, "--data", &data, "-o", &lists, "--set", &set,
        ];
        let (code, _, stderr) = limpid(&words);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(rule), "{stderr}");
    }
    // A list is never longer than the catalogue, and neither is what is reserved for it.
    let (code, _, stderr) = limpid(&[
        "recommend",
        &model,
        "--users",
        "all",
        "-n",
        "1000000",
        "-o",
        &lists,
    ]);
    assert_eq!(code, Some(0), "{stderr}");
}
