//! Hostile texts in ids, titles and metadata, through every verb and output format.

use std::fs;

use crate::child::limpid;
use crate::mutate::Random;
use crate::samples::text;
use crate::table::{Row, run_all};

/// Pieces of hostile texts. A table can hold them all; a quote is doubled.
const PIECES: [&str; 18] = [
    "\u{1b}[31mred\u{1b}[0m",
    "\u{1b}]0;title\u{7}",
    "\u{1b}[2J\u{1b}[H",
    "\u{9b}31m",
    "\u{0}",
    "\u{8}\u{8}\u{8}",
    "\u{202e}gnp.exe",
    "\u{2066}\u{2069}",
    "=HYPERLINK(\"http://x\")",
    "@SUM(1+1)",
    "+1-1",
    "<script>alert(1)</script>",
    "]]>&amp;<svg onload='x'>",
    "| a | b |",
    "[x](javascript:alert(1))",
    "\u{85}\u{2028}\u{2029}",
    "\u{feff}\u{200b}",
    "é\u{301}\u{1f600}",
];

const FORMATS: [&str; 4] = ["table", "json", "csv", "md"];

pub(crate) fn run(cases: usize) -> Row {
    run_all("hostile texts", cases, |case, row| {
        let mut random = Random::new(61, case);
        let place = tempfile::tempdir().unwrap();
        let hostile = |random: &mut Random, n: usize| -> String {
            let piece = random.of(&PIECES);
            let other = random.of(&PIECES);
            format!("{piece}{n} {other}").replace('"', "\"\"")
        };
        let items: Vec<String> = (0..20).map(|n| hostile(&mut random, n)).collect();
        let users: Vec<String> = (0..20).map(|n| hostile(&mut random, n)).collect();
        let mut events = "user,item\n".to_owned();
        for (u, user) in users.iter().enumerate() {
            for (i, item) in items.iter().enumerate() {
                if (u * 7 + i * 3) % 5 < 2 || (u + i) % 7 == 0 {
                    events += &format!("\"{user}\",\"{item}\"\n");
                }
            }
        }
        let mut metadata = "item,title,genre\n".to_owned();
        for (n, item) in items.iter().enumerate() {
            let title = hostile(&mut random, n);
            let genre = hostile(&mut random, n % 3);
            metadata += &format!("\"{item}\",\"{title}\",\"{genre}\"\n");
        }
        fs::write(place.path().join("events.csv"), events).unwrap();
        fs::write(place.path().join("items.csv"), metadata).unwrap();
        let (data, model) = (text(place.path()), text(&place.path().join("model")));
        let plain = |s: &str| s.replace("\"\"", "\"").replace('\0', "");
        let (user, item) = (plain(&users[3]), plain(&items[5]));
        let format = FORMATS[case % FORMATS.len()];
        let name = random.of(&["ease", "ruleslim", "lia", "ials"]);
        let train = [
            "train",
            "--data",
            &data,
            "--split",
            "ratio:60/20/20@1",
            "--model",
            name,
            "-o",
            &model,
        ];
        let plot = text(&place.path().join("plot.svg"));
        let lists = text(&place.path().join("lists.csv"));
        let id = format!("id:{item}");
        let verbs: [&[&str]; 12] = [
            &["data", "describe", &data],
            &train,
            &["inspect", &model],
            &["recommend", &model, "--user", &user],
            &["recommend", &model, "--user", "nobody"],
            &["recommend", &model, "--users", "all", "-o", &lists],
            &["explain", &model, "--user", &user, "--item", &id],
            &[
                "explain", &model, "--user", &user, "--item", &id, "--plot", &plot,
            ],
            &[
                "explain",
                &model,
                "--user",
                &user,
                "--why-not",
                &id,
                "-n",
                "2",
            ],
            &["similar", &model, "--item", &id],
            &["rules", &model],
            &["evaluate", &model, "--resamples", "0", "--readability"],
        ];
        for verb in verbs {
            row.check(&limpid(&[verb, &["--format", format]].concat()));
        }
        for file in [&plot, &lists] {
            let text = fs::read_to_string(file).unwrap_or_default();
            let raw = |c: char| c.is_control() && !matches!(c, '\n' | '\r');
            if let Some(c) = text.chars().find(|&c| raw(c)) {
                row.fault(crate::table::Fault::Control, format!("{c:?} in {file}"));
            }
        }
    })
}
