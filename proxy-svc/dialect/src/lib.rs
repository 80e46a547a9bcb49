//! tollgate-dialect
