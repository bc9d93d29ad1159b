//! Saved folders: opening gives what was saved, and damaged or foreign folders are refused with the
//! name of the fault.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use limpid::core::{Edits, NoProgress, Recommender};
use limpid::data::synthetic;
use limpid::eval::{Protocol, evaluate};
use limpid::measure::default_metrics;
use limpid::models::{Config, ENTRIES};
use limpid::{
    Advisor, Filter, MeasureOptions, Prepared, SplitFrom, Subset, TrainOptions, Who, artifact,
    train,
};
use proptest::prelude::*;

fn world() -> synthetic::Config {
    synthetic::Config {
        users: 120,
        items: 60,
        items_per_user: 12,
        ..synthetic::Config::default()
    }
}

fn small(model: &str) -> Advisor {
    let split = SplitFrom::Spec("ratio:70/10/20@3".parse().unwrap());
    let prepared = Prepared::synthetic(&world(), &split).unwrap();
    train(
        prepared,
        &Config::named(model).unwrap(),
        &TrainOptions::seeded(1),
        &NoProgress,
    )
    .unwrap()
}

fn saved(folder: &Path) -> PathBuf {
    let path = folder.join("model");
    small("ease").save(&path, true).unwrap();
    path
}

fn refusal(path: &Path) -> String {
    Advisor::open(path).unwrap_err().to_string()
}

#[test]
fn every_model_survives_saving() {
    let folder = tempfile::tempdir().unwrap();
    for entry in ENTRIES {
        let path = folder.path().join(entry.name);
        let before = small(entry.name);
        before.save(&path, true).unwrap();
        let after = Advisor::open(&path).unwrap();
        assert_eq!(after.model, before.model, "{}", entry.name);
        assert_eq!(after.catalogue, before.catalogue);
        assert_eq!(after.split, before.split);
        let train = &before.split().unwrap().train;
        assert_eq!(
            after.model.score(train),
            before.model.score(train),
            "{}",
            entry.name
        );
        assert_eq!(artifact::verify(&path).unwrap(), after.manifest);
        let user = before.catalogue.users.name(0);
        let list = |a: &Advisor| {
            a.recommend(&Who::user(user), 5, &Filter::default(), &Edits::none())
                .unwrap()
        };
        assert_eq!(list(&after), list(&before), "{}", entry.name);
    }
}

#[test]
fn saving_again_replaces_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    small("popularity").save(&path, true).unwrap();
    assert_eq!(
        Advisor::open(&path).unwrap().manifest.kind,
        "model/popularity"
    );
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1);
}

#[test]
fn a_foreign_folder_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let theirs = folder.path().join("photos");
    fs::create_dir(&theirs).unwrap();
    fs::write(theirs.join("cat.jpg"), "meow").unwrap();
    let message = small("popularity")
        .save(&theirs, true)
        .unwrap_err()
        .to_string();
    assert!(message.contains("is not a saved model"), "{message}");
    assert_eq!(fs::read_to_string(theirs.join("cat.jpg")).unwrap(), "meow");
}

#[test]
fn without_users_it_holds_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let manifest = small("ease").save(&path, false).unwrap();
    assert!(!manifest.holds_histories && !path.join("histories.safetensors").exists());
    let advisor = Advisor::open(&path).unwrap();
    assert!(advisor.catalogue.users.is_empty() && advisor.split.is_none());
    let none = Edits::none();
    let asked = advisor.recommend(&Who::user("1"), 3, &Filter::default(), &none);
    assert!(asked.unwrap_err().to_string().contains("--history"));
    let item = advisor.catalogue.items.name(0).to_owned();
    let anybody = Who::Items(vec![format!("id:{item}")]);
    let list = advisor
        .recommend(&anybody, 3, &Filter::default(), &none)
        .unwrap();
    assert_eq!(list.items.len(), 3);
}

#[test]
fn faults_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    let model = path.join("model.safetensors");
    let whole = fs::read(&model).unwrap();

    fs::write(&model, &whole[..whole.len() - 1]).unwrap();
    assert!(refusal(&path).contains("model.safetensors") && refusal(&path).contains("truncated"));

    let mut flipped = whole.clone();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    fs::write(&model, &flipped).unwrap();
    assert!(refusal(&path).contains("checksum"), "{}", refusal(&path));

    fs::remove_file(&model).unwrap();
    assert!(refusal(&path).contains("model.safetensors"));
    fs::write(&model, &whole).unwrap();
    assert!(Advisor::open(&path).is_ok());

    let manifest = path.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    for (from, to, expected) in [
        ("\"format\": 3", "\"format\": 999", "update limpid"),
        ("\"format\": 3", "\"fromat\": 3", "has no format"),
        ("model/ease", "model/slim", "its own checksum"),
        ("\"seed\": 1", "\"seed\": 2", "its own checksum"),
        ("\"reg\": ", "\"reg\": 1", "its own checksum"),
        ("\"checksum\"", "\"checksun\"", "its own checksum"),
        ("{", "", "damaged"),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
        assert!(refusal(&path).contains(expected), "{}", refusal(&path));
    }
    fs::remove_file(&manifest).unwrap();
    assert!(refusal(&path).contains("no manifest.json"));
    assert!(refusal(&folder.path().join("nowhere")).contains("no manifest.json"));
}

/// Manifests of formats 1 and 2 have no checksum; what contradicts itself is refused all the same.
#[test]
fn faults_of_older_manifests_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/v2/ease");
    for file in fs::read_dir(fixture).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let manifest = folder.path().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    for (from, to, expected) in [
        (
            "\"model/ease\"",
            "\"model/of tomorrow\"",
            "unknown model format 'model/of tomorrow'",
        ),
        ("\"model/ease\"", "\"model/slim\"", "contradicts itself"),
        (
            "\"model.safetensors\"",
            "\"../model.safetensors\"",
            "outside its folder",
        ),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
        assert!(
            refusal(folder.path()).contains(expected),
            "{}",
            refusal(folder.path())
        );
    }
}

/// `verify` vouches for every file of the folder, also where opening does not need it.
#[test]
fn verify_covers_the_whole_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    artifact::verify(&path).unwrap();
    let run = path.join("run.toml");
    let text = fs::read_to_string(&run).unwrap();
    fs::write(&run, text.replace("seed = 1", "seed = 2")).unwrap();
    assert!(Advisor::open(&path).is_ok());
    let why = artifact::verify(&path).unwrap_err().to_string();
    assert!(
        why.contains("run.toml") && why.contains("checksum"),
        "{why}"
    );
    fs::write(&run, text).unwrap();
    fs::write(path.join("extra.safetensors"), "").unwrap();
    let why = artifact::verify(&path).unwrap_err().to_string();
    assert!(why.contains("not part of the saved model"), "{why}");
}

/// Files of two folders do not go together, also where a new manifest would say so.
#[test]
fn files_name_the_folder_that_they_belong_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    let other = folder.path().join("other");
    let split = SplitFrom::Spec("ratio:70/10/20@4".parse().unwrap());
    let prepared = Prepared::synthetic(&world(), &split).unwrap();
    let config = Config::named("ease").unwrap();
    let seed = TrainOptions::seeded(1);
    let advisor = train(prepared, &config, &seed, &NoProgress).unwrap();
    advisor.save(&other, true).unwrap();
    // The manifest is written anew for the foreign files, checksums included.
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(path.join("manifest.json")).unwrap()).unwrap();
    let theirs: serde_json::Value =
        serde_json::from_slice(&fs::read(other.join("manifest.json")).unwrap()).unwrap();
    manifest["files"]["model.safetensors"] = theirs["files"]["model.safetensors"].clone();
    fs::copy(
        other.join("model.safetensors"),
        path.join("model.safetensors"),
    )
    .unwrap();
    seal(&path, manifest);
    assert!(
        refusal(&path).contains("its split is"),
        "{}",
        refusal(&path)
    );
}

/// Writes a manifest with the checksum that it should have.
fn seal(path: &Path, mut manifest: serde_json::Value) {
    manifest.as_object_mut().unwrap().remove("checksum");
    let checksum = blake3::hash(manifest.to_string().as_bytes()).to_hex();
    manifest["checksum"] = checksum.to_string().into();
    fs::write(path.join("manifest.json"), manifest.to_string()).unwrap();
}

/// A folder that merely has a `manifest.json` is somebody's work.
#[test]
fn only_empty_folders_and_saved_models_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site");
    fs::create_dir(&path).unwrap();
    assert!(!artifact::check_target(&path, 0).unwrap().replaces);
    fs::write(path.join("manifest.json"), "{}").unwrap();
    fs::write(path.join("index.html"), "<p>").unwrap();
    let why = artifact::check_target(&path, 0).unwrap_err().to_string();
    assert!(why.contains("it contains 'index.html'"), "{why}");
    assert!(small("popularity").save(&path, true).is_err());
    assert!(path.join("index.html").exists());
    fs::remove_file(path.join("index.html")).unwrap();
    fs::remove_file(path.join("manifest.json")).unwrap();
    small("popularity").save(&path, true).unwrap();
    assert!(artifact::check_target(&path, 0).unwrap().replaces);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(artifact::check_target(&file, 0).is_err());
    assert!(artifact::check_target(&file.join("model"), 0).is_err());
}

/// A manifest that is a device without an end, or a folder, is refused at once.
#[cfg(unix)]
#[test]
fn endless_manifests_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    let manifest = path.join("manifest.json");
    fs::remove_file(&manifest).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &manifest).unwrap();
    assert!(
        refusal(&path).contains("no manifest.json"),
        "{}",
        refusal(&path)
    );
    let file = limpid::Experiment::read(Path::new("/dev/zero"))
        .unwrap_err()
        .to_string();
    assert!(file.contains("more than"), "{file}");
}

/// All files of a folder have the same mode: that of any new file.
#[cfg(unix)]
#[test]
fn all_files_have_one_mode() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap().path();
        assert_eq!(mode(&entry), mode(&plain), "{}", entry.display());
    }
}

/// A reader finds one model or the other while a folder is exchanged, never a mixture.
#[test]
fn a_folder_can_be_opened_while_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    let (ease, popularity) = (small("ease"), small("popularity"));
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut opened = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                Advisor::open(&path).unwrap();
                opened += 1;
            }
            opened
        });
        for n in 0..60 {
            [&ease, &popularity][n % 2].save(&path, true).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

/// A model and a catalogue of another model are refused even if all files are intact.
#[test]
fn parts_of_two_models_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path());
    let larger = synthetic::Config {
        users: 120,
        items: 70,
        items_per_user: 12,
        ..synthetic::Config::default()
    };
    let split = SplitFrom::Spec("ratio:70/10/20@3".parse().unwrap());
    let prepared = Prepared::synthetic(&larger, &split).unwrap();
    let other = train(
        prepared,
        &Config::named("ease").unwrap(),
        &TrainOptions::seeded(1),
        &NoProgress,
    )
    .unwrap();
    let mixed = Advisor::new(
        other.manifest.clone(),
        Advisor::open(&path).unwrap().model,
        other.catalogue.clone(),
        other.split.clone(),
    );
    let path = folder.path().join("mixed");
    mixed.save(&path, true).unwrap();
    assert!(
        refusal(&path).contains("items, but the catalogue has"),
        "{}",
        refusal(&path)
    );
}

/// All formats ever written are read. The folders under `formats` were written by the version that
/// introduced them and are never written again; to add one for a new format, run this
/// test with `LIMPID_WRITE_FORMAT=1` once.
#[test]
fn every_format_ever_written_is_read() {
    let formats = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    let current = formats.join(format!("v{}", artifact::FORMAT));
    if std::env::var_os("LIMPID_WRITE_FORMAT").is_some() && !current.exists() {
        for name in ["ease", "itemknn", "popularity", "ruleslim"] {
            let advisor = small(name);
            let path = current.join(name);
            advisor.save(&path, true).unwrap();
            fs::write(current.join(format!("{name}.list.json")), list_of(&advisor)).unwrap();
        }
    }
    let mut read = 0;
    for version in fs::read_dir(&formats).unwrap() {
        for entry in fs::read_dir(version.unwrap().path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                artifact::verify(&path).unwrap();
                let advisor = Advisor::open(&path).unwrap();
                let expected = fs::read_to_string(path.with_extension("list.json")).unwrap();
                assert_eq!(list_of(&advisor), expected, "{}", path.display());
                read += 1;
            }
        }
    }
    assert!(read >= 4, "only {read} saved models under tests/formats");
}

/// The ids of the first user's list: enough to see that scores, ties and ids are read as written.
fn list_of(advisor: &Advisor) -> String {
    let user = advisor.catalogue.users.name(0).to_owned();
    let list = advisor
        .recommend(&Who::user(user), 10, &Filter::default(), &Edits::none())
        .unwrap();
    let ids: Vec<&str> = list.items.iter().map(|i| i.item.id.as_str()).collect();
    serde_json::to_string(&ids).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// A changed byte in any file is refused, or read as the same; never a panic.
    #[test]
    fn no_flipped_byte_goes_unnoticed(file in 0usize..3, at in any::<prop::sample::Index>(), flip in 1u8..=255) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        small("popularity").save(&path, true).unwrap();
        let name = ["model", "catalogue", "histories"][file];
        let target = path.join(format!("{name}.safetensors"));
        let mut bytes = fs::read(&target).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        fs::write(&target, bytes).unwrap();
        prop_assert!(Advisor::open(&path).is_err());
    }
}

/// Leave-one-out shows train and validation at test; the report prints that, and both are masked.
#[test]
fn leave_one_out_shows_validation_at_test() {
    let shown = |split: &str, on: Subset| {
        let prepared = Prepared::synthetic(&world(), &SplitFrom::Spec(split.parse().unwrap()));
        let model = Config::named("popularity").unwrap();
        let seed = TrainOptions::seeded(1);
        let advisor = train(prepared.unwrap(), &model, &seed, &NoProgress).unwrap();
        let options = MeasureOptions {
            on,
            resamples: 0,
            ..MeasureOptions::default()
        };
        let measured = advisor.evaluate(&options, &NoProgress).unwrap();
        let json = serde_json::to_value(&measured).unwrap();
        let words = format!("{}; {}", measured.shown, measured.report.masks);
        (
            words,
            json["shown"].as_str().unwrap().to_owned(),
            advisor,
            measured,
        )
    };
    let (words, json, advisor, measured) = shown("leave-one-out", Subset::Test);
    assert!(
        words.starts_with("train and validation; masked: train and validation items"),
        "{words}"
    );
    assert_eq!(json, "train_and_validation");
    // Popularity does not look at a history, so showing the validation events equals masking them.
    let split = advisor.split().unwrap();
    let by_hand = Protocol {
        mask: Some(&split.validation.target),
        breakdowns: false,
        ..Protocol::new(
            &split.train,
            &split.test.target,
            &advisor.catalogue,
            default_metrics(),
        )
    };
    let by_hand = evaluate(&advisor.model, &by_hand, &NoProgress).unwrap();
    let metric = "ndcg@10".parse().unwrap();
    assert_eq!(measured.report.mean(metric), by_hand.mean(metric));

    let (words, json, ..) = shown("leave-one-out", Subset::Validation);
    assert!(words.starts_with("train; "), "{words}");
    assert_eq!(json, "train");
    let (words, ..) = shown("ratio:70/10/20@3", Subset::Test);
    assert!(words.starts_with("train; masked: train items"), "{words}");
    let (_, json, ..) = shown("users:60/20/20,holdout=0.2@3", Subset::Test);
    assert_eq!(json, "held_out");
}
