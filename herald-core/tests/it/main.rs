//! What a Herald does as a whole, seen through its public surface.

mod dispatching;
mod doubles;
mod ending;
mod routing;
mod triggers;
