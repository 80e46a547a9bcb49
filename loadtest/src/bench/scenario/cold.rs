//! From the start of the process to its first good answer.

use anyhow::Result;

use super::super::contender::Contender;
use super::{Figures, resident_mb};

pub(super) async fn measure(contender: &mut Contender) -> Result<Option<Figures>> {
    let Some(took) = contender.restart().await? else { return Ok(None) };
    let mut figures = Figures { resident_mb: resident_mb(contender)?, ..Figures::default() };
    figures.others.insert("first answer ms", took.as_secs_f64() * 1000.0);
    Ok(Some(figures))
}
