mod failures;
mod fake;
mod once;
mod restart;
mod settle;
mod success;
