//! Pages as Markdown; texts of the data are text there too, never markup.

use limpid::output::text;

use super::{Section, Table};

/// A page.
pub(super) fn page(page: &[Section]) -> String {
    let sections: Vec<String> = page.iter().map(section).collect();
    sections.join("\n\n")
}

fn section(section: &Section) -> String {
    match section {
        Section::Text(written) => lines(written.split('\n')),
        Section::Lines(all) => lines(all.iter().map(String::as_str)),
        Section::Code(written) => {
            let written = text::lines(written);
            // A fence is longer than any in the text.
            let longest = written.split(|c| c != '`').map(str::len).max().unwrap_or(0);
            let fence = "`".repeat(longest.max(2) + 1);
            format!("{fence}\n{written}\n{fence}")
        }
        Section::Table(of) => table(of),
        Section::Entry {
            name,
            head,
            lines: more,
            table: of,
        } => {
            let head = format!("**{}** {}", text::markdown(name), text::markdown(head));
            let more = lines(more.iter().map(String::as_str));
            format!("{}  \n{more}\n\n{}", head.trim_end(), table(of))
        }
    }
}

fn lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let lines: Vec<String> = lines.map(text::markdown).collect();
    lines.join("  \n")
}

fn table(table: &Table) -> String {
    let row = |cells: &Vec<String>| {
        let empty = table.header.len().saturating_sub(cells.len());
        let cells = cells.iter().map(|c| text::markdown(c));
        let cells: Vec<String> = cells.chain((0..empty).map(|_| String::new())).collect();
        format!("| {} |", cells.join(" | "))
    };
    let rule = format!("|{}", "---|".repeat(table.header.len()));
    let head = [row(&table.header), rule];
    let rows = table.rows.iter().map(row);
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}
