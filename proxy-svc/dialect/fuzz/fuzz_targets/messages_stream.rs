#![no_main]

tollgate_dialect_fuzz::fuzz!("messages_stream");
