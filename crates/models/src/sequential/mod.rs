//! Models that read the order of events.

mod block;
mod path;
pub mod sasrec;
pub mod timirec;
