//! The grammar of conditions. Each token skips the blanks before it.

use std::ops::Range;

use winnow::combinator::{alt, cut_err, delimited, opt, preceded, repeat, separated, terminated};
use winnow::error::{ContextError, ErrMode, ParserError, StrContext, StrContextValue};
use winnow::stream::{LocatingSlice, Location, Stateful};
use winnow::token::{literal, take, take_till, take_while};
use winnow::{ModalResult, Parser};

use super::{Condition, Node, Test, Text, Word};
use crate::{Error, Result};

/// Largest depth of parentheses and `not`.
const DEPTH: usize = 64;

/// The text with the depth that is reached.
type Input<'a> = Stateful<LocatingSlice<&'a str>, usize>;

impl Condition {
    /// Parses a condition; fields and values are looked up by [`items`](Self::items).
    ///
    /// # Errors
    /// [`Error::Condition`] with the place in the text.
    pub fn parse(text: &str) -> Result<Self> {
        let input = Input {
            input: LocatingSlice::new(text),
            state: 0,
        };
        let end = (
            blanks,
            expected("'and', 'or' or the end", winnow::combinator::eof),
        );
        match terminated(one_of_several, end).parse(input) {
            Ok(root) => Ok(Self {
                root,
                text: Text(text.to_owned()),
            }),
            Err(e) => Err(Error::Condition {
                why: why(e.inner()),
                place: place(text, e.offset()),
                text: text.to_owned(),
            }),
        }
    }
}

fn why(error: &ContextError) -> String {
    let innermost = error.context().find_map(|context| match context {
        StrContext::Expected(StrContextValue::Description(what)) => Some(*what),
        _ => None,
    });
    format!("expected {}", innermost.unwrap_or("a condition"))
}

/// The word at or after an offset.
fn place(text: &str, offset: usize) -> Range<usize> {
    let rest = text.get(offset..).unwrap_or_default().trim_start();
    let start = text.len() - rest.len();
    let first = rest.chars().next().map_or(0, char::len_utf8);
    start..start + word_length(rest).max(first)
}

/// Bytes up to a blank or a reserved character.
fn word_length(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || RESERVED.contains(&c);
    text.find(ends).unwrap_or(text.len())
}

fn expected<'a, O>(
    what: &'static str,
    parser: impl Parser<Input<'a>, O, ErrMode<ContextError>>,
) -> impl Parser<Input<'a>, O, ErrMode<ContextError>> {
    parser.context(StrContext::Expected(StrContextValue::Description(what)))
}

fn blanks(input: &mut Input<'_>) -> ModalResult<()> {
    take_while(0.., char::is_whitespace)
        .void()
        .parse_next(input)
}

fn one_of_several(input: &mut Input<'_>) -> ModalResult<Node> {
    list(input, "or", all_of_several, Node::Any)
}

fn all_of_several(input: &mut Input<'_>) -> ModalResult<Node> {
    list(input, "and", term, Node::All)
}

fn list(
    input: &mut Input<'_>,
    between: &'static str,
    mut entry: fn(&mut Input<'_>) -> ModalResult<Node>,
    join: fn(Vec<Node>) -> Node,
) -> ModalResult<Node> {
    let first = entry.parse_next(input)?;
    let more: Vec<Node> =
        repeat(0.., preceded(keyword(between), cut_err(entry))).parse_next(input)?;
    match more.is_empty() {
        true => Ok(first),
        false => Ok(join(std::iter::once(first).chain(more).collect())),
    }
}

fn term(input: &mut Input<'_>) -> ModalResult<Node> {
    let group = delimited(
        symbol("("),
        nested(cut_err(one_of_several)),
        expected("')'", cut_err(symbol(")"))),
    );
    let negated = preceded(keyword("not"), nested(cut_err(term))).map(|n| Node::Not(Box::new(n)));
    expected(
        "a field, such as genre, 'not' or '('",
        alt((negated, group, test)),
    )
    .parse_next(input)
}

/// Refuses more levels than a text needs and the stack holds.
fn nested<'a>(
    mut parser: impl Parser<Input<'a>, Node, ErrMode<ContextError>>,
) -> impl Parser<Input<'a>, Node, ErrMode<ContextError>> {
    move |input: &mut Input<'a>| {
        if input.state >= DEPTH {
            return expected("at most 64 nested parentheses and nots", cut_err(refuse))
                .parse_next(input);
        }
        input.state += 1;
        let node = parser.parse_next(input);
        input.state -= 1;
        node
    }
}

fn refuse(input: &mut Input<'_>) -> ModalResult<Node> {
    Err(ErrMode::from_input(input))
}

fn test(input: &mut Input<'_>) -> ModalResult<Node> {
    let field = alt((quoted, name)).parse_next(input)?;
    let (negated, test) = expected(
        "an operator (=, !=, <, <=, >, >=, ~, !~, in, not in)",
        cut_err(alt((
            preceded(keyword("in"), set_or_range).map(|test| (false, test)),
            preceded((keyword("not"), keyword("in")), set_or_range).map(|test| (true, test)),
            preceded(symbol("!="), one_value).map(|test| (true, test)),
            preceded(symbol("!~"), text_inside).map(|test| (true, test)),
            preceded(symbol("="), one_value).map(|test| (false, test)),
            preceded(symbol("~"), text_inside).map(|test| (false, test)),
            comparison.map(|test| (false, test)),
        ))),
    )
    .parse_next(input)?;
    let node = Node::Test(field, test);
    Ok(match negated {
        true => Node::Not(Box::new(node)),
        false => node,
    })
}

fn comparison(input: &mut Input<'_>) -> ModalResult<Test> {
    alt((
        preceded(symbol(">="), limit).map(Test::AtLeast),
        preceded(symbol("<="), limit).map(Test::AtMost),
        preceded(symbol(">"), limit).map(Test::MoreThan),
        preceded(symbol("<"), limit).map(Test::LessThan),
    ))
    .parse_next(input)
}

fn one_value(input: &mut Input<'_>) -> ModalResult<Test> {
    value.map(|v| Test::OneOf(vec![v])).parse_next(input)
}

fn text_inside(input: &mut Input<'_>) -> ModalResult<Test> {
    value.map(Test::Contains).parse_next(input)
}

fn set_or_range(input: &mut Input<'_>) -> ModalResult<Test> {
    let comma = (symbol(","),);
    let set = delimited(
        symbol("("),
        separated(1.., value, comma),
        expected("',' or ')'", cut_err(symbol(")"))),
    );
    expected(
        "a set, such as (Drama, Crime), or a range, such as 1990..1999",
        cut_err(alt((set.map(Test::OneOf), range))),
    )
    .parse_next(input)
}

fn range(input: &mut Input<'_>) -> ModalResult<Test> {
    bare.verify_map(|word| {
        let (low, high) = word.text.split_once("..")?;
        match (low.trim(), high.trim()) {
            ("", high) => finite(high).map(Test::AtMost),
            (low, "") => finite(low).map(Test::AtLeast),
            (low, high) => Some(Test::Between(finite(low)?, finite(high)?)),
        }
    })
    .parse_next(input)
}

fn limit(input: &mut Input<'_>) -> ModalResult<f64> {
    let number = alt((quoted, bare)).verify_map(|word| finite(&word.text));
    expected("a number", cut_err(number)).parse_next(input)
}

pub(super) fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

fn value(input: &mut Input<'_>) -> ModalResult<Word> {
    let what = "a value; one with reserved words or characters is written in quotes";
    expected(what, cut_err(alt((quoted, bare)))).parse_next(input)
}

/// A text in quotes; a quote inside is doubled.
fn quoted(input: &mut Input<'_>) -> ModalResult<Word> {
    blanks(input)?;
    let start = input.current_token_start();
    let quote = alt(('\'', '"')).parse_next(input)?;
    let mut text = String::new();
    loop {
        let piece = take_till(0.., quote).parse_next(input)?;
        text.push_str(piece);
        expected("the closing quote", cut_err(quote.void())).parse_next(input)?;
        if opt(quote).parse_next(input)?.is_none() {
            break;
        }
        text.push(quote);
    }
    let place = start..input.previous_token_end();
    Ok(Word { text, place })
}

/// The name of a field: one word.
fn name(input: &mut Input<'_>) -> ModalResult<Word> {
    blanks(input)?;
    let (text, place) = take_while(1.., is_word).with_span().parse_next(input)?;
    let text: &str = text;
    match KEYWORDS.iter().any(|k| k.eq_ignore_ascii_case(text)) {
        true => Err(ErrMode::from_input(input)),
        false => Ok(Word {
            text: text.to_owned(),
            place,
        }),
    }
}

/// A value without quotes: words up to `and`, `or` or a reserved character.
fn bare(input: &mut Input<'_>) -> ModalResult<Word> {
    blanks(input)?;
    let rest: &str = ***input;
    let length = bare_length(rest);
    if length == 0 {
        return Err(ErrMode::from_input(input));
    }
    let (text, place) = take(rest[..length].chars().count())
        .with_span()
        .parse_next(input)?;
    let text: &str = text;
    Ok(Word {
        text: text.to_owned(),
        place,
    })
}

/// Bytes of a value without quotes at the start of a text.
fn bare_length(text: &str) -> usize {
    let mut end = 0;
    let mut rest = text;
    loop {
        let word = rest.trim_start();
        let length = word_length(word);
        let is_first = end == 0;
        let stops = length == 0
            || ["and", "or"]
                .iter()
                .any(|k| k.eq_ignore_ascii_case(&word[..length]))
            || is_first && word.starts_with(['\'', '"', '!']);
        if stops {
            return end;
        }
        end = text.len() - word.len() + length;
        rest = &text[end..];
    }
}

/// Whether a text can be written without quotes, as a name and as a value.
pub(super) fn is_bare(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(is_word)
        && !KEYWORDS.iter().any(|k| k.eq_ignore_ascii_case(text))
}

/// Characters that end a value without quotes.
const RESERVED: [char; 7] = ['(', ')', ',', '=', '<', '>', '~'];

/// Words that are no names of fields.
const KEYWORDS: [&str; 4] = ["and", "or", "not", "in"];

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "_-.:/".contains(c)
}

/// A word of the grammar, in any case, that no longer word begins with.
fn keyword<'a>(word: &'static str) -> impl Parser<Input<'a>, (), ErrMode<ContextError>> {
    move |input: &mut Input<'a>| {
        blanks(input)?;
        take_while(1.., is_word)
            .verify(|text: &str| text.eq_ignore_ascii_case(word))
            .void()
            .parse_next(input)
    }
}

fn symbol<'a>(symbol: &'static str) -> impl Parser<Input<'a>, (), ErrMode<ContextError>> {
    move |input: &mut Input<'a>| {
        blanks(input)?;
        literal(symbol).void().parse_next(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word(text: &str) -> Word {
        Word {
            text: text.to_owned(),
            place: 0..0,
        }
    }

    fn words() -> impl Strategy<Value = Word> {
        prop_oneof![
            "[a-zA-Z]{1,6}",
            Just("and".to_owned()),
            Just("In".to_owned()),
            Just("O'Brien".to_owned()),
            any::<String>(),
        ]
        .prop_map(|text| word(&text))
    }

    fn numbers() -> impl Strategy<Value = f64> {
        prop_oneof![
            (-3000i32..3000).prop_map(f64::from),
            any::<f64>().prop_filter("finite", |n| n.is_finite()),
        ]
    }

    fn nodes() -> impl Strategy<Value = Node> {
        let test = prop_oneof![
            prop::collection::vec(words(), 1..4).prop_map(Test::OneOf),
            words().prop_map(Test::Contains),
            numbers().prop_map(Test::AtLeast),
            numbers().prop_map(Test::MoreThan),
            numbers().prop_map(Test::AtMost),
            numbers().prop_map(Test::LessThan),
            (numbers(), numbers()).prop_map(|(low, high)| Test::Between(low, high)),
        ];
        let leaf = (words(), test).prop_map(|(field, test)| Node::Test(field, test));
        leaf.prop_recursive(5, 40, 4, |inner| {
            let several = || prop::collection::vec(inner.clone(), 2..4);
            prop_oneof![
                several().prop_map(Node::All),
                several().prop_map(Node::Any),
                inner.clone().prop_map(|n| Node::Not(Box::new(n))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_to_the_same_condition(root in nodes()) {
            let condition = Condition { root, text: Text(String::new()) };
            let printed = condition.to_string();
            let parsed = Condition::parse(&printed);
            prop_assert!(parsed.is_ok(), "{}: {}", printed, parsed.unwrap_err());
            prop_assert_eq!(parsed.unwrap(), condition, "{}", printed);
        }

        #[test]
        fn any_text_is_parsed_or_refused_with_a_place_inside_it(text in any::<String>()) {
            check_place(&text);
        }

        #[test]
        fn any_tokens_are_parsed_or_refused(
            tokens in prop::collection::vec(prop::sample::select(vec![
                "and", "or", "not", "in", "(", ")", ",", "=", "!=", "<", ">=", "~", "!~", "..", "1990",
                "genre", "'", "\"", "é", "1..2", " ", "!",
            ]), 0..40),
        ) {
            check_place(&tokens.join(" "));
            check_place(&tokens.concat());
        }
    }

    fn check_place(text: &str) {
        match Condition::parse(text) {
            Ok(condition) => {
                let again = Condition::parse(&condition.to_string()).unwrap();
                assert_eq!(again, condition);
            }
            Err(Error::Condition { place, .. }) => {
                assert!(text.get(place.clone()).is_some(), "{text:?} {place:?}");
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn and_binds_tighter_than_or_and_not_tightest() {
        let parse = |text: &str| Condition::parse(text).unwrap();
        assert_eq!(
            parse("a = 1 or not b = 2 and c = 3"),
            parse("a=1 OR ((NOT b=2) AND c=3)"),
        );
        assert_eq!(parse("a != x"), parse("not a = x"));
        assert_eq!(parse("a not in (x, y)"), parse("not a in (x,y)"));
        assert_eq!(parse("a !~ x"), parse("not a ~ 'x'"));
        assert_eq!(
            parse("genre = Film Noir and year>1990"),
            parse("genre='Film Noir' and year > 1990")
        );
        assert_eq!(parse("title ~ Ocean's"), parse("title ~ 'Ocean''s'"));
        assert_eq!(parse("y in 1990.."), parse("y >= 1990"));
        assert_eq!(parse("y in ..-1.5"), parse("y <= -1.5"));
    }

    #[test]
    fn errors_point_at_the_word() {
        let at = |text: &str| match Condition::parse(text).unwrap_err() {
            Error::Condition { why, place, .. } => (why, text[place].to_owned()),
            other => panic!("{other}"),
        };
        let (why, word) = at("genre Drama");
        assert_eq!(
            (why.as_str(), word.as_str()),
            (
                "expected an operator (=, !=, <, <=, >, >=, ~, !~, in, not in)",
                "Drama",
            )
        );
        assert_eq!(at("year >= soon").1, "soon");
        assert_eq!(at("year >= soon").0, "expected a number");
        assert_eq!(at("(year > 1").0, "expected ')'");
        assert_eq!(at("year > 1 )").0, "expected 'and', 'or' or the end");
        assert_eq!(
            at("year > 1 and").0,
            "expected a field, such as genre, 'not' or '('"
        );
        assert_eq!(at("genre in (a, b").0, "expected ',' or ')'");
        assert_eq!(
            at("genre in Drama").0,
            "expected a set, such as (Drama, Crime), or a range, such as 1990..1999"
        );
        assert_eq!(at("title ~ 'a").0, "expected the closing quote");
        assert!(at("genre =").0.starts_with("expected a value"));
        assert_eq!(at("").0, "expected a field, such as genre, 'not' or '('");
        let deep = "(".repeat(100_000);
        assert_eq!(
            at(&deep).0,
            "expected at most 64 nested parentheses and nots"
        );
        assert_eq!(
            at(&"not ".repeat(100_000)).0,
            "expected at most 64 nested parentheses and nots"
        );
    }
}
