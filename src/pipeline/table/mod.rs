//! Tables: what a CSV file says should be, held against rows that are. For modules that compare with databases.
//!
//! [`csv`] reads the file; [`compare`](mod@compare) says what is missing, unexpected or different, as people mean it: a table is a multiset of rows
//! unless its order is asked for. Of neither are all rows held where their order is asked for.

mod compare;
mod csv;
mod difference;
mod pair;

pub use compare::{Among, InOrder, Wanted};
pub use csv::{Row, Table};
pub use difference::{Difference, Differences};
