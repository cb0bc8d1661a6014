mod failures;
mod fake;
mod restart;
mod settle;
mod success;
