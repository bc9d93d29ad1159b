//! Which column of a table means what: names that data sets use, in any case and with any of
//! `_`, `-` and space.

use super::builder::Builder;
use super::lines::{Cell, Flaw, shown};
use super::numbers;
use super::options::{Column, Columns};
use crate::error::did_you_mean;
use crate::{Error, Result};

/// How many columns an error lists.
const MOST_NAMES: usize = 20;

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
    "customer",
    "customernumber",
    "customerno",
    "custid",
    "clientid",
    "client",
    "buyerid",
    "buyer",
    "account",
    "accountnumber",
    "shopperid",
    "shopper",
    "subscriberid",
    "visitor",
    "member",
    "person",
    "listener",
    "reader",
    "viewer",
    "householdid",
    "householdkey",
];
const ITEM: &[&str] = &[
    "itemid",
    "item",
    "iid",
    "movieid",
    "productid",
    "parentasin",
    "asin",
    "businessid",
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
    "skuid",
    "product",
    "productcode",
    "productno",
    "article",
    "articleno",
    "articlenumber",
    "itemcode",
    "itemno",
    "itemnumber",
    "goodsid",
    "listingid",
    "listing",
    "offerid",
    "assetid",
    "movie",
    "filmid",
    "film",
    "book",
    "song",
    "track",
    "game",
    "showid",
    "courseid",
    "hotelid",
    "restaurantid",
    "placeid",
    "poiid",
    "jokeid",
    "animeid",
    "beerid",
    "ean",
    "gtin",
    "upc",
];
/// How many of [`ITEM`] name ids surely; in item metadata the others may be titles or fields.
const SURE_ITEMS: usize = 23;

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
    "quantity",
    "qty",
    "units",
    "ratingscore",
    "userscore",
    "grade",
    "listencount",
    "listens",
    "clicks",
    "frequency",
    "hours",
];

/// How many of [`VALUE`] mean a value surely; a column of another name is used only if its first value
/// can be read.
const SURE_VALUES: usize = 10;

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
    "eventtimestamp",
    "ratingtimestamp",
    "purchasedat",
    "purchasetime",
    "purchasedate",
    "orderedat",
    "ordertime",
    "orderdate",
    "transactiontime",
    "transactiondate",
    "tdat",
    "invoicedate",
    "clickedat",
    "viewedat",
    "watchedat",
    "playedat",
    "listenedat",
    "ratedat",
    "readat",
    "addedat",
    "occurredat",
    "createtime",
    "createdtime",
    "updatedat",
    "visitdate",
    "day",
];

/// How many of [`TIME`] mean a time surely; a column of another name is used only if its first time can
/// be read.
const SURE_TIMES: usize = 9;

const BEHAVIOR: &[&str] = &[
    "behavior",
    "behaviour",
    "behaviortype",
    "behaviourtype",
    "event",
    "eventtype",
    "action",
    "actiontype",
    "interaction",
    "interactiontype",
    "activity",
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

/// Whether a column name says that it holds ids of users or of items: `userId`, `movie_id`, `asin`.
#[must_use]
pub fn is_id_column(name: &str) -> bool {
    is_item_id(name) || USER.contains(&plain(name).as_str())
}

/// Whether a column name of item metadata says that it holds item ids.
pub(super) fn is_item_id(name: &str) -> bool {
    ITEM[..SURE_ITEMS].contains(&plain(name).as_str())
}

/// The position of the item ids in a header of item metadata. A table of items may call their id "id".
pub(super) fn item_id(header: &[String]) -> Option<usize> {
    guess(header, &ITEM[..SURE_ITEMS])
        .or_else(|| guess(header, &["id"]))
        .or_else(|| guess(header, ITEM))
}

fn guess(header: &[String], names: &[&str]) -> Option<usize> {
    let header: Vec<String> = header.iter().map(|h| plain(h)).collect();
    names
        .iter()
        .find_map(|name| header.iter().position(|h| h == name))
}

/// The columns of an event.
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
    /// Whether the column of values was guessed from a name that may mean something else.
    value_guessed: bool,
    /// The same of the column of times.
    time_guessed: bool,
}

impl Layout {
    /// Leaves a guessed column of values or times out if its first value cannot be read, with a note.
    pub(super) fn doubt<'a>(
        &mut self,
        names: &[String],
        cell: impl Fn(usize) -> Option<Cell<'a>>,
        builder: &mut Builder<'_>,
    ) {
        let unreadable = |at: usize, is_good: &dyn Fn(Cell<'a>) -> bool| {
            cell(at).filter(|&cell| !is_good(cell)).map(|c| c.shown())
        };
        let mut note = |at: usize, what: &str, value: &str, option: &str| {
            builder.note(format!(
                "column '{}' was not read as the {what}: its first value is '{value}'; name a column with \
                 {option}",
                shown(names[at].as_bytes())
            ));
        };
        if let Some(at) = self.value.filter(|_| self.value_guessed)
            && let Some(value) = unreadable(at, &|cell| numbers::value(cell).is_ok())
        {
            self.value = None;
            note(at, "value", &value, "--value-column");
        }
        if let Some(at) = self.time.filter(|_| self.time_guessed)
            && let Some(value) = unreadable(at, &|cell| numbers::time(cell).is_ok())
        {
            self.time = None;
            note(at, "time", &value, "--time-column");
        }
    }

    /// The columns with their meanings.
    pub(super) fn meanings(&self) -> [(&'static str, Option<usize>); 5] {
        [
            ("user", Some(self.user)),
            ("item", Some(self.item)),
            ("value", self.value),
            ("time", self.time),
            ("behavior", self.behavior),
        ]
    }

    /// Reads the first record of a table as a header, or as the first event where the columns are
    /// given by number and it names nothing.
    ///
    /// # Errors
    /// [`Error::Source`] where the header of `label` names no user or item; [`Error::Unknown`] and
    /// [`Error::Option`] where a given column is not there.
    pub(super) fn of(first: &[String], columns: &Columns, label: &str) -> Result<Self> {
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
            // The header of a column of numbers is not a number.
            [&columns.value, &columns.time]
                .into_iter()
                .any(|c| match c {
                    Some(Column::Number(n)) => first.get(n.wrapping_sub(1)).is_some_and(|text| {
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
        for ((slot, column), what) in at.iter_mut().zip(given).zip([
            "--user-column",
            "--item-column",
            "--value-column",
            "--time-column",
            "--behavior-column",
        ]) {
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
        let guessed = |column: &Option<Column>, at: Option<usize>, sure: &[&str]| {
            let name = at.and_then(|at| first.get(at)).map(|name| plain(name));
            has_header && column.is_none() && name.is_some_and(|n| !sure.contains(&n.as_str()))
        };
        let [user, item, value, time, behavior] = at;
        let value_guessed = guessed(&columns.value, value, &VALUE[..SURE_VALUES]);
        let time_guessed = guessed(&columns.time, time, &TIME[..SURE_TIMES]);
        let (Some(user), Some(item)) = (user, item) else {
            let what = if user.is_none() { "user" } else { "item" };
            let found: Vec<String> = first
                .iter()
                .take(MOST_NAMES)
                .map(|h| shown(h.as_bytes()))
                .collect();
            return Err(Error::source(
                label,
                format!(
                    "no column of {what} ids among: {}{}",
                    found.join(", "),
                    if first.len() > MOST_NAMES {
                        ", …"
                    } else {
                        ""
                    }
                ),
                format!(
                    "name it with --{what}-column; if the file has no header, number the columns from 1"
                ),
            ));
        };
        if user == item {
            return Err(Error::option(
                "--user-column",
                format!(
                    "must not be the column of items, but both are column {}",
                    user + 1
                ),
                "choose two different columns with --user-column and --item-column",
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
            value_guessed,
            time_guessed,
        })
    }
}

/// The position of a column that was given by option.
fn resolve(column: &Column, what: &'static str, header: &[String]) -> Result<usize> {
    match column {
        Column::Number(n) if (1..=header.len()).contains(n) => Ok(n - 1),
        Column::Number(n) => Err(Error::option(
            what,
            format!("must be one of 1 to {}, but is {n}", header.len()),
            "columns are counted from 1",
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
                _ => {
                    let names = header.iter().take(MOST_NAMES);
                    let names: Vec<String> = names.map(|h| shown(untyped(h).as_bytes())).collect();
                    Err(Error::option(
                        what,
                        format!("'{name}' is not a column of the table"),
                        did_you_mean(name, names.iter().map(String::as_str)),
                    ))
                }
            }
        }
    }
}

/// The flaw of a record whose number of fields is not that of the table.
pub(crate) fn wrong_fields(found: usize, expected: usize, last: Option<Cell<'_>>) -> Flaw {
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

    fn of(header: &str, columns: &Columns) -> Result<Layout> {
        let header: Vec<String> = header.split(',').map(str::to_owned).collect();
        Layout::of(&header, columns, "f")
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
        let error = |header: &str| of(header, &none).unwrap_err().to_string();
        let l = of("purchased_at,client_id,sku,price,qty", &none).unwrap();
        assert_eq!((l.user, l.item, l.value, l.time), (1, 2, Some(4), Some(0)));
        let l = of(
            "InvoiceNo,StockCode,Quantity,InvoiceDate,Customer ID",
            &none,
        )
        .unwrap();
        assert_eq!((l.user, l.item, l.value, l.time), (4, 1, Some(2), Some(3)));
        assert!(l.value_guessed && l.time_guessed);
        for (user, item) in [
            ("buyer", "article"),
            ("account", "product"),
            ("member", "film"),
        ] {
            let l = of(&format!("{item},{user}"), &none).unwrap();
            assert_eq!((l.user, l.item), (1, 0));
        }
        assert!(error("a,b,c").starts_with("f: no column of user ids among: a, b, c; "));
        assert_eq!(
            error("user,thing"),
            "f: no column of item ids among: user, thing; name it with --item-column; if the file \
             has no header, number the columns from 1"
        );
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
        assert_eq!(
            of("7,8", &far).unwrap_err().to_string(),
            "--user-column must be one of 1 to 2, but is 9; columns are counted from 1"
        );
    }
}
