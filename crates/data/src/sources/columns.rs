//! Which column of a table means what: names that data sets use, in any case and with any of
//! `_`, `-` and space.

use super::lines::{Cell, Flaw, shown};
use super::numbers;
use super::options::{Column, Columns};

const USER: &[&str] = &[
    "userid",
    "user",
    "uid",
    "reviewerid",
    "customerid",
    "visitorid",
    "memberid",
    "accountid",
    "personid",
    "profileid",
    "username",
    "sessionid",
    "u",
];
const ITEM: &[&str] = &[
    "itemid",
    "item",
    "iid",
    "movieid",
    "productid",
    "parentasin",
    "asin",
    "bookid",
    "songid",
    "trackid",
    "artistid",
    "businessid",
    "articleid",
    "newsid",
    "gameid",
    "videoid",
    "contentid",
    "venueid",
    "recipeid",
    "stockcode",
    "sku",
    "isbn",
    "i",
];
const VALUE: &[&str] = &[
    "rating",
    "value",
    "score",
    "stars",
    "overall",
    "weight",
    "preference",
    "playcount",
    "plays",
    "count",
];
const TIME: &[&str] = &[
    "timestamp",
    "time",
    "unixreviewtime",
    "unixtime",
    "datetime",
    "date",
    "eventtime",
    "createdat",
    "ts",
];
const BEHAVIOR: &[&str] = &[
    "behavior",
    "behaviour",
    "behaviortype",
    "behaviourtype",
    "event",
    "eventtype",
    "action",
    "actiontype",
];

/// A column name without case, `_`, `-`, spaces, and the type that RecBole appends (`:token`).
pub(super) fn plain(name: &str) -> String {
    name.split(':')
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether a column name says that it holds item ids.
pub(super) fn is_item_id(name: &str) -> bool {
    ITEM.contains(&plain(name).as_str())
}

/// The first of the usual names of item ids that stands in a header.
pub(super) fn item_id(header: &[String]) -> Option<usize> {
    guess(header, ITEM)
}

fn guess(header: &[String], names: &[&str]) -> Option<usize> {
    let header: Vec<String> = header.iter().map(|h| plain(h)).collect();
    names
        .iter()
        .find_map(|name| header.iter().position(|h| h == name))
}

/// Where the parts of an event stand in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) user: usize,
    pub(super) item: usize,
    pub(super) value: Option<usize>,
    pub(super) time: Option<usize>,
    pub(super) behavior: Option<usize>,
    /// Number of fields of every record.
    pub(super) n_fields: usize,
    /// Whether the first record is a header.
    pub(super) has_header: bool,
}

/// Why no layout was found: the reason and the fix.
pub(super) type Refusal = (String, String);

impl Layout {
    /// Reads the first record of a table as a header, or as the first event where the columns are
    /// given by number and it names nothing.
    pub(super) fn of(first: &[String], columns: &Columns) -> Result<Self, Refusal> {
        let given = [
            &columns.user,
            &columns.item,
            &columns.value,
            &columns.time,
            &columns.behavior,
        ];
        let by_number = given.iter().any(|c| matches!(c, Some(Column::Number(_))));
        let by_name = given.iter().any(|c| matches!(c, Some(Column::Name(_))));
        let names_itself = guess(first, USER).is_some() || guess(first, ITEM).is_some();
        let has_header = !by_number || by_name || names_itself || {
            // A header above a column of numbers is no number.
            [&columns.value, &columns.time]
                .into_iter()
                .any(|c| match c {
                    Some(Column::Number(n)) => first.get(n - 1).is_some_and(|text| {
                        let cell = Cell {
                            text: text.as_bytes(),
                            at: 0,
                        };
                        numbers::value(cell).is_err() && numbers::time(cell).is_err()
                    }),
                    _ => false,
                })
        };
        let mut at = [None; 5];
        for ((slot, column), what) in at
            .iter_mut()
            .zip(given)
            .zip(["user", "item", "value", "time", "behavior"])
        {
            *slot = column
                .as_ref()
                .map(|c| resolve(c, what, first))
                .transpose()?;
        }
        if has_header {
            for (slot, names) in at.iter_mut().zip([USER, ITEM, VALUE, TIME, BEHAVIOR]) {
                *slot = slot.or_else(|| guess(first, names));
            }
        } else if (2..=4).contains(&first.len()) {
            // The usual order of tables without a header: user, item, value, time.
            for place in 0..first.len() {
                if at[place].is_none() && !at.contains(&Some(place)) {
                    at[place] = Some(place);
                }
            }
        }
        let [user, item, value, time, behavior] = at;
        let (Some(user), Some(item)) = (user, item) else {
            let what = if user.is_none() { "user" } else { "item" };
            let found: Vec<String> = first.iter().take(20).map(|h| shown(h.as_bytes())).collect();
            return Err((
                format!(
                    "no column of {what} ids among: {}{}",
                    found.join(", "),
                    if first.len() > 20 { ", …" } else { "" }
                ),
                format!(
                    "name it (columns.{what}), or number the columns from 1 where the file has no \
                     header"
                ),
            ));
        };
        if user == item {
            return Err((
                format!(
                    "column {} is named for both the user and the item",
                    user + 1
                ),
                "name two columns".to_owned(),
            ));
        }
        Ok(Self {
            user,
            item,
            value: value.filter(|c| ![user, item].contains(c)),
            time: time.filter(|c| ![user, item].contains(c)),
            behavior: behavior.filter(|c| ![user, item].contains(c)),
            n_fields: first.len(),
            has_header,
        })
    }
}

/// The place of a column that was named by the caller.
fn resolve(column: &Column, what: &str, header: &[String]) -> Result<usize, Refusal> {
    let hint = || {
        let names: Vec<String> = header
            .iter()
            .take(20)
            .map(|h| shown(h.as_bytes()))
            .collect();
        format!("the columns are: {}", names.join(", "))
    };
    match column {
        Column::Number(n) if (1..=header.len()).contains(n) => Ok(n - 1),
        Column::Number(n) => Err((
            format!(
                "the {what} column {n} is not there; the table has {}",
                header.len()
            ),
            hint(),
        )),
        Column::Name(name) => {
            let untyped = |h: &str| h.split(':').next().unwrap_or_default().trim().to_owned();
            let exact = header
                .iter()
                .position(|h| h.trim() == name || untyped(h) == *name);
            let any_case: Vec<usize> = (0..header.len())
                .filter(|&i| untyped(&header[i]).eq_ignore_ascii_case(name))
                .collect();
            match (exact, &any_case[..]) {
                (Some(at), _) | (None, &[at]) => Ok(at),
                _ => Err((format!("the {what} column '{name}' is not there"), hint())),
            }
        }
    }
}

/// The flaw of a record whose number of fields is not that of the table.
pub(super) fn wrong_fields(found: usize, expected: usize, last: Option<Cell<'_>>) -> Flaw {
    let (at, end) = last.map_or((0, 0), |c| (c.at, c.at + c.text.len()));
    let reason = format!("expected {expected} fields, found {found}");
    if found > expected {
        Flaw::new(at, "extra field", reason)
    } else {
        Flaw::new(end, "missing field", reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str, columns: &Columns) -> Result<Layout, Refusal> {
        let header: Vec<String> = header.split(',').map(str::to_owned).collect();
        Layout::of(&header, columns)
    }

    #[test]
    fn headers_are_understood() {
        let none = Columns::default();
        let l = of("userId,movieId,rating,timestamp", &none).unwrap();
        assert_eq!((l.user, l.item, l.value, l.time), (0, 1, Some(2), Some(3)));
        let l = of("timestamp,visitorid,event,itemid,transactionid", &none).unwrap();
        assert_eq!(
            (l.user, l.item, l.time, l.behavior),
            (1, 3, Some(0), Some(2))
        );
        let l = of("user_id:token,item_id:token,rating:float", &none).unwrap();
        assert_eq!((l.user, l.item, l.value, l.time), (0, 1, Some(2), None));
        let (reason, _) = of("a,b,c", &none).unwrap_err();
        assert_eq!(reason, "no column of user ids among: a, b, c");
        let (reason, hint) = of("user,thing", &none).unwrap_err();
        assert_eq!(reason, "no column of item ids among: user, thing");
        assert!(hint.contains("columns.item"));
    }

    #[test]
    fn columns_can_be_named_and_numbered() {
        let name = |n: &str| Some(Column::Name(n.into()));
        let columns = Columns {
            user: name("WHO"),
            item: name("what"),
            ..Columns::default()
        };
        let l = of("what,Who,rating", &columns).unwrap();
        assert_eq!((l.user, l.item, l.value), (1, 0, Some(2)));
        assert!(of("what,rating", &columns).is_err());

        let numbers = Columns {
            user: Some(Column::Number(1)),
            ..Columns::default()
        };
        let l = of("7,8,5,100", &numbers).unwrap();
        assert!(!l.has_header);
        assert_eq!((l.user, l.item, l.value, l.time), (0, 1, Some(2), Some(3)));
        let l = of("user,item", &numbers).unwrap();
        assert!(l.has_header);
        assert!(of("7,8,5,100,3", &numbers).is_err());
        let swapped = Columns {
            user: Some(Column::Number(2)),
            item: Some(Column::Number(1)),
            time: Some(Column::Number(3)),
            ..Columns::default()
        };
        let l = of("7,8,100", &swapped).unwrap();
        assert_eq!((l.user, l.item, l.value, l.time), (1, 0, None, Some(2)));
        assert!(of("what,who,when", &swapped).unwrap().has_header);
        let far = Columns {
            user: Some(Column::Number(9)),
            ..Columns::default()
        };
        assert!(of("7,8", &far).unwrap_err().0.contains("column 9"));
    }
}
