//! Any bytes as item metadata with one valid event.
//!
//! The first byte selects the format.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [first, data @ ..] = data else { return };
    let events: &[u8] = b"1\t2\t3\t4\n";
    let dat: &[u8] = b"1::2::3::4\n";
    let csv: &[u8] = b"userId,movieId,rating\n1,2,3\n";
    let inter: &[u8] = b"user_id:token\titem_id:token\n1\t2\n";
    match first % 6 {
        0 => limpid_fuzz::detect(&[("u.data", events), ("u.item", data)]),
        1 => limpid_fuzz::detect(&[("u.data", events), ("u.item", data), ("u.genre", data)]),
        2 => limpid_fuzz::detect(&[
            ("ratings.dat", dat),
            ("movies.dat", data),
            ("tags.dat", data),
        ]),
        3 => limpid_fuzz::detect(&[
            ("ratings.csv", csv),
            ("movies.csv", data),
            ("tags.csv", data),
        ]),
        4 => limpid_fuzz::detect(&[("x.inter", inter), ("x.item", data)]),
        _ => limpid_fuzz::detect(&[("events.csv", csv), ("items.jsonl", data)]),
    }
});
