//! Fetching from a server on this machine: whole, missing, broken and wrong downloads.

// A test may fail by a panic, in its helper functions too.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Cursor, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use limpid_data::Error;
use limpid_data::fetch::{Checksum, FetchReport, KnownSet, fetch, known};
use zip::write::SimpleFileOptions;

/// How the server treats the archive.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    /// Sends it.
    Whole,
    /// States its full length and stops half-way.
    Breaks,
}

/// A server of `/ml-1m.zip`; other paths are missing. Gives its address and the requests that it got.
fn serve(archive: Vec<u8>, manner: Manner) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut path = String::new();
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 0 && line.trim() != "" {
                let words: Vec<&str> = line.split_whitespace().collect();
                if words[0] == "GET" {
                    path = words[1].to_owned();
                }
                line.clear();
            }
            log.lock().unwrap().push(path.clone());
            let reply = |status: &str, body: &[u8], length: usize| {
                let mut reply = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                )
                .into_bytes();
                reply.extend_from_slice(body);
                reply
            };
            let bytes = match path.as_str() {
                "/ml-1m.zip" => {
                    let n = archive.len();
                    match manner {
                        Manner::Breaks => reply("200 OK", &archive[..n / 2], n),
                        Manner::Whole => reply("200 OK", &archive, n),
                    }
                }
                _ => reply("404 Not Found", b"none", 4),
            };
            // A client that hangs up early is not this server's concern.
            let _ = stream.write_all(&bytes);
        }
    });
    (address, seen)
}

fn archive() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [
        ("ml-1m/ratings.dat", "1::2::5::978300760\n"),
        ("ml-1m/README", "terms"),
    ] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(bytes);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// ML-1M with another recorded SHA-256.
fn set(sha256: Option<&str>) -> KnownSet {
    KnownSet {
        sha256: sha256.map(|sum| &*sum.to_owned().leak()),
        ..*known().iter().find(|set| set.name == "ml-1m").unwrap()
    }
}

/// Fetches the archive that [`archive`] makes.
fn get(into: &Path, address: &str) -> Result<FetchReport, Error> {
    set(Some(&sha256(&archive()))).fetch(into, &mut |_, _| (), Some(address))
}

#[test]
fn a_set_is_fetched_checked_and_unpacked() {
    let archive = archive();
    let sum = sha256(&archive);
    let (address, seen) = serve(archive.clone(), Manner::Whole);
    let dir = tempfile::tempdir().unwrap();
    let mut steps = Vec::new();
    let report = set(Some(&sum))
        .fetch(
            dir.path(),
            &mut |done, total| steps.push((done, total)),
            Some(&format!("{address}/")),
        )
        .unwrap();
    assert_eq!(report.checksum, Checksum::Verified(sum.clone()));
    assert_eq!(report.bytes, archive.len() as u64);
    assert_eq!(report.files, ["README", "ratings.dat"]);
    assert!(report.notice.contains("GroupLens"));
    assert_eq!(
        steps.last(),
        Some(&(archive.len() as u64, Some(archive.len() as u64)))
    );
    assert!(dir.path().join("ml-1m.zip").exists());
    // The archive and its folder, and no temporary file.
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    let log = limpid_data::read(&report.folder, &Default::default()).unwrap();
    assert_eq!(log.n_events(), 1);

    // What is there is not fetched again.
    let requests = seen.lock().unwrap().len();
    let again = get(dir.path(), &address).unwrap();
    assert!(again.already_there);
    assert_eq!(again.checksum, Checksum::Verified(sum.clone()));
    assert_eq!(seen.lock().unwrap().len(), requests);
    // An archive put there by hand is verified like a download.
    std::fs::remove_dir_all(&report.folder).unwrap();
    let again = get(dir.path(), &address).unwrap();
    assert_eq!(
        (again.bytes, again.checksum),
        (0, Checksum::Verified(sum.clone()))
    );
    assert!(again.folder.join("ratings.dat").exists());
    assert_eq!(seen.lock().unwrap().len(), requests);
    // Without its archive, a folder cannot be checked.
    std::fs::remove_file(dir.path().join("ml-1m.zip")).unwrap();
    let again = get(dir.path(), &address).unwrap();
    assert_eq!(again.checksum, Checksum::NotChecked);
    // A damaged archive is refused, whether it was unpacked or not.
    std::fs::write(dir.path().join("ml-1m.zip"), b"PK damaged").unwrap();
    for _ in 0..2 {
        let error = get(dir.path(), &address).unwrap_err().to_string();
        assert!(
            error.contains(&format!("but {sum} is expected; remove it")),
            "{error}"
        );
        let _ = std::fs::remove_dir_all(&report.folder);
    }
}

#[test]
fn a_broken_download_leaves_nothing_behind_and_can_be_repeated() {
    let archive = archive();
    let dir = tempfile::tempdir().unwrap();
    let (address, _) = serve(archive.clone(), Manner::Breaks);
    let error = get(dir.path(), &address).unwrap_err().to_string();
    assert!(error.contains("the connection broke after"), "{error}");
    assert!(error.contains("try again later"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    let (address, _) = serve(archive.clone(), Manner::Whole);
    let report = get(dir.path(), &address).unwrap();
    assert_eq!(report.bytes, archive.len() as u64);
    assert_eq!(report.checksum, Checksum::Verified(sha256(&archive)));
    assert_eq!(
        std::fs::read(dir.path().join("ml-1m.zip")).unwrap(),
        archive
    );
}

#[test]
fn wrong_downloads_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (address, _) = serve(archive(), Manner::Whole);
    // The recorded SHA-256 is that of the real archive.
    let error = fetch("ml-1m", dir.path(), &mut |_, _| (), Some(&address));
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains(
            "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20 is expected"
        ),
        "{error}"
    );
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    let bytes = b"<html>come back later</html>".to_vec();
    let (address, _) = serve(bytes.clone(), Manner::Whole);
    let changing = set(None).fetch(dir.path(), &mut |_, _| (), Some(&address));
    let error = changing.unwrap_err().to_string();
    assert!(error.contains("is not a readable zip archive"), "{error}");
}

#[test]
fn without_the_set_the_error_says_how_to_do_it_by_hand() {
    let dir = tempfile::tempdir().unwrap();
    let (address, _) = serve(archive(), Manner::Whole);
    let error = fetch("ml-100k", dir.path(), &mut |_, _| (), Some(&address)).unwrap_err();
    let expected = format!(
        "{address}/ml-100k.zip: the server answers 404 Not Found; try again later, or download \
         that address by hand, put the file at {} and run it again",
        dir.path().join("ml-100k.zip").display()
    );
    assert_eq!(error.to_string(), expected);

    // A port without a server.
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = get(dir.path(), &format!("http://{closed}"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("the server cannot be reached"), "{error}");
    assert!(error.contains("download that address by hand"), "{error}");
}
