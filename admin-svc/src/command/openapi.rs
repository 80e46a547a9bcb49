//! `openapi`: prints the API's document; needs no configuration and no database.

use std::io::Write;

pub(super) fn run() -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(crate::http::openapi_document().as_bytes())?;
    Ok(())
}
