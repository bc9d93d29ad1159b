//! Changes of bytes at random, reproducible by their seed.

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, case: usize) -> Self {
        Self(
            seed.wrapping_mul(0x2545_f491_4f6c_dd1d)
                ^ (case as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        )
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `n`, which is above 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub(crate) fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// What readers stumble over.
const TOKENS: [&[u8]; 28] = [
    b"\n",
    b"\r\n",
    b"\t",
    b",",
    b"::",
    b"\"",
    b"'",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"null",
    b"-1",
    b"0",
    b"NaN",
    b"inf",
    b"1e999",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"99999999999999999999999",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x1b[31m",
    b"\xe2\x80\xae",
    b"\xf0\x9f\x92\xa9",
    b"=1+1",
    b"<b>",
];

/// One to four changes.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        once(bytes, random);
    }
}

fn once(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(random.next() as u8);
        return;
    }
    let at = random.below(bytes.len());
    let length = 1 + random.below((bytes.len() - at).min(64));
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.next() as u8,
        2 => drop(bytes.drain(at..at + length)),
        3 => bytes.truncate(at),
        4 => {
            let piece = bytes[at..at + length].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, piece);
        }
        5 => {
            let noise: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
            bytes.splice(at..at + length, noise);
        }
        6 => {
            let token = random.of(&TOKENS.map(|t| t));
            bytes.splice(at..at, token.iter().copied());
        }
        _ => number(bytes, at, random),
    }
}

/// Replaces the next number by another one.
fn number(bytes: &mut Vec<u8>, from: usize, random: &mut Random) {
    let digit = |b: &u8| b.is_ascii_digit();
    let Some(start) = bytes[from..].iter().position(digit).map(|n| from + n) else {
        return;
    };
    let end = bytes[start..].iter().position(|b| !digit(b));
    let end = end.map_or(bytes.len(), |n| start + n);
    let new = match random.below(5) {
        0 => "0".to_owned(),
        1 => "4294967295".to_owned(),
        2 => "9223372036854775807".to_owned(),
        3 => random.next().to_string(),
        _ => random.below(300).to_string(),
    };
    bytes.splice(start..end, new.into_bytes());
}
