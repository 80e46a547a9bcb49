#![no_main]

tollgate_dialect_fuzz::fuzz!("generate_request");
