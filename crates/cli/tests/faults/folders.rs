//! Damaged and hostile saved models.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::child::limpid;
use crate::mutate::{Random, mutate};
use crate::samples::{Samples, copy, names, text};
use crate::table::{Fault, Row, run_all};

/// Models of the short form: linear, rules, learned vectors, a sequence.
pub(crate) const FEW: [&str; 4] = ["ease", "ruleslim", "bcemf", "sasrec"];

/// The names of all models, as the binary lists them.
pub(crate) fn all_models() -> Vec<String> {
    let listed = limpid(&["models", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let models = listed["models"].as_array().unwrap();
    models
        .iter()
        .map(|m| m["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Damage without new checksums: `verify` must notice every change of content.
pub(crate) fn run_damaged<S: AsRef<str>>(models: &[S], cases: usize) -> Row {
    let models: Vec<String> = models.iter().map(|m| m.as_ref().to_owned()).collect();
    let samples = Samples::new(&models);
    run_all("damaged models", cases, |case, row| {
        let mut random = Random::new(23, case);
        let model = &models[case % models.len()];
        let other = &models[(case + 1) % models.len()];
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("model");
        copy(&samples.model(model), &folder);
        let what = damage(&folder, &samples.model(other), &mut random);
        let changed = is_changed(&folder, &samples.model(model));
        let verified = limpid(&["verify", &text(&folder)]);
        row.check(&verified);
        if changed && verified.succeeded() {
            row.fault(Fault::Unnoticed, format!("{model}: {what}"));
        }
        if !changed && !verified.succeeded() {
            let same = format!(
                "{model}: {what} is refused without a change: {}",
                verified.words()
            );
            row.fault(Fault::Unnoticed, same);
        }
        row.check(&use_of(&folder, random.below(4)));
    })
}

/// Damage to the inside, with new checksums: no harm is done.
pub(crate) fn run_hostile<S: AsRef<str>>(models: &[S], cases: usize) -> Row {
    let models: Vec<String> = models.iter().map(|m| m.as_ref().to_owned()).collect();
    let samples = Samples::new(&models);
    run_all("hostile models", cases, |case, row| {
        let mut random = Random::new(37, case);
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("model");
        copy(&samples.model(&models[case % models.len()]), &folder);
        poison(&folder, &mut random);
        row.check(&use_of(&folder, random.below(5)));
    })
}

/// A verb that opens a model.
fn use_of(folder: &Path, which: usize) -> crate::child::Outcome {
    let model = text(folder);
    match which {
        0 => limpid(&["recommend", &model, "--user", "u3", "--format", "json"]),
        1 => limpid(&["explain", &model, "--user", "u3", "--item", "i5"]),
        2 => limpid(&["inspect", &model]),
        3 => limpid(&["recommend", &model, "--history", "i1", "--history", "i2"]),
        _ => limpid(&["evaluate", &model, "--resamples", "0"]),
    }
}

/// One damage to one file; says which.
fn damage(folder: &Path, other: &Path, random: &mut Random) -> String {
    let files = names(folder);
    let name = files[random.below(files.len())].clone();
    let path = folder.join(&name);
    let kind = random.below(12);
    match kind {
        0 => fs::remove_file(&path).unwrap(),
        1 => fs::write(&path, "").unwrap(),
        2 if other.join(&name).exists() => drop(fs::copy(other.join(&name), &path).unwrap()),
        3 => {
            fs::remove_file(&path).unwrap();
            let device = random.of(&["/dev/zero", "/dev/null", "."]);
            std::os::unix::fs::symlink(device, &path).unwrap();
        }
        4 => {
            fs::remove_file(&path).unwrap();
            fs::create_dir(&path).unwrap();
        }
        5 => {
            fs::remove_file(&path).unwrap();
            let made = std::process::Command::new("mkfifo").arg(&path).status();
            assert!(made.unwrap().success());
        }
        6 => fs::write(folder.join("extra.safetensors"), "").unwrap(),
        _ => {
            let mut bytes = fs::read(&path).unwrap();
            mutate(&mut bytes, random);
            fs::write(&path, bytes).unwrap();
        }
    }
    format!("damage {kind} of {name}")
}

/// Whether two folders differ in what they say: bytes, or the values of a manifest.
fn is_changed(a: &Path, b: &Path) -> bool {
    if names(a) != names(b) {
        return true;
    }
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    names(a).iter().any(|name| {
        let (a, b) = (a.join(name), b.join(name));
        let is_file = fs::metadata(&a).is_ok_and(|about| about.is_file());
        if !is_file {
            return true;
        }
        let (a, b) = (fs::read(a).unwrap(), fs::read(b).unwrap());
        a != b && (name != "manifest.json" || json(&a).is_none() || json(&a) != json(&b))
    })
}

/// Changes the inside of a file, and makes all checksums fit.
fn poison(folder: &Path, random: &mut Random) {
    let path = folder.join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let files: Vec<String> = manifest["files"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let file = &files[random.below(files.len())];
    match random.below(6) {
        0 => value(&mut manifest, random),
        1 => {
            let mut bytes = fs::read(folder.join(file)).unwrap();
            mutate(&mut bytes, random);
            fs::write(folder.join(file), bytes).unwrap();
        }
        _ if file.ends_with(".safetensors") => {
            let bytes = fs::read(folder.join(file)).unwrap();
            fs::write(folder.join(file), header(&bytes, random)).unwrap();
        }
        _ => {}
    }
    for file in &files {
        let Ok(bytes) = fs::read(folder.join(file)) else {
            continue;
        };
        manifest["files"][file] = serde_json::json!({
            "bytes": bytes.len(),
            "blake3": blake3::hash(&bytes).to_hex().to_string(),
        });
    }
    let fields = manifest.as_object_mut().unwrap();
    fields.remove("checksum");
    let text = Value::Object(fields.clone()).to_string();
    let checksum = blake3::hash(text.as_bytes()).to_hex().to_string();
    manifest["checksum"] = checksum.into();
    fs::write(&path, manifest.to_string()).unwrap();
}

/// Replaces a value somewhere in the manifest.
fn value(manifest: &mut Value, random: &mut Random) {
    let mut at = manifest;
    loop {
        let keys: Vec<String> = match &*at {
            Value::Object(fields) if !fields.is_empty() => fields.keys().cloned().collect(),
            _ => break,
        };
        let Some(inner) = at.get_mut(&keys[random.below(keys.len())]) else {
            return;
        };
        at = inner;
    }
    *at = match random.below(8) {
        0 => Value::Null,
        1 => (-1).into(),
        2 => u64::MAX.into(),
        3 => 1e300.into(),
        4 => "x".repeat(100_000).into(),
        5 => Value::Array(vec![]),
        6 => serde_json::json!({ "": {} }),
        _ => "\u{1b}[2J../../\u{202e}".into(),
    };
}

/// Changes shapes, types, offsets, the small values, or numbers of the arrays.
fn header(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut head: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let mut arrays = bytes[8 + length..].to_vec();
    let keys: Vec<String> = head.as_object().unwrap().keys().cloned().collect();
    let key = &keys[random.below(keys.len())];
    if key == "__metadata__" {
        let text = head[key]["limpid"].as_str().unwrap().to_owned();
        let mut meta: Value = serde_json::from_str(&text).unwrap();
        value(&mut meta, random);
        head[key]["limpid"] = meta.to_string().into();
    } else if random.below(3) == 0 {
        let offsets = &head[key]["data_offsets"];
        let (from, to) = (offsets[0].as_u64().unwrap(), offsets[1].as_u64().unwrap());
        for _ in 0..8 {
            let at = from as usize + random.below((to - from) as usize);
            if let Some(byte) = arrays.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
    } else {
        let shape = head[key]["shape"].as_array().unwrap().clone();
        let count: u64 = shape.iter().filter_map(Value::as_u64).product();
        head[key]["shape"] = match random.below(6) {
            0 => serde_json::json!([count]),
            1 => serde_json::json!([1, count]),
            2 => serde_json::json!([count, 1]),
            3 => serde_json::json!([0, 1u64 << 40]),
            4 => serde_json::json!([u32::MAX, u32::MAX, u32::MAX]),
            _ => shape.into_iter().rev().collect(),
        };
        if random.below(4) == 0 {
            head[key]["dtype"] = random
                .of(&["F32", "U32", "I64", "U8", "F64", "BF16"])
                .into();
        }
    }
    let mut text = head.to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text, &arrays].concat()
}
