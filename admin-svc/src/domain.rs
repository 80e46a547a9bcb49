//! The resources: their types, their shape in the API, and what makes them valid. No I/O.

pub mod change;
