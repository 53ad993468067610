//! Tables: what a CSV file says should be, held against rows that are. For modules that compare with databases.
//!
//! [`csv`] reads the file; [`compare`](mod@compare) says what is missing, unexpected or different, as people mean it: a table is a multiset of rows
//! unless its order is asked for.

mod compare;
mod csv;

pub use compare::{Difference, Manner, compare};
pub use csv::{Cell, Table};
