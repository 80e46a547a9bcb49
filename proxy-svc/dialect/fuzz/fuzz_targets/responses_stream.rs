#![no_main]

tollgate_dialect_fuzz::fuzz!("responses_stream");
