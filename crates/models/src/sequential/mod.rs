//! Models that read the order of events.

pub mod sasrec;
