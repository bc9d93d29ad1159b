//! Models with a latent user representation.

pub mod ials;
pub mod multdae;
pub mod multvae;
pub(crate) mod network;
