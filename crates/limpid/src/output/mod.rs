//! Where results go, and how text is written there.
//!
//! A [`Destination`] is checked before the work, and a file appears only when it is complete. Rows are
//! written one by one by a [`RowWriter`], whatever the format. Text of the data (titles, ids) is never
//! interpreted by what shows it; [`text`] has one function for each medium.

mod destination;
mod ordered;
mod rows;
mod tables;
pub mod text;

pub use destination::{Destination, FileFormat, Sink};
pub use rows::{Cell, Column, Kind, RowWriter};
pub use tables::{ANSWER, DataTable, tables};
