mod failures;
mod fake;
mod restart;
mod success;
