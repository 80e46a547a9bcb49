//! Writes `docs/api/translation.md` from the tables that the translation itself goes by: what becomes of what a target
//! cannot say.

use std::fmt::Write as _;

use tollgate_dialect::translate::policy::{Feature, Foreign, Verdict, foreign};
use tollgate_dialect::translate::{EMBEDDING_FOREIGN, Format, How};

const INTRODUCTION: &str = include_str!("translation_table/introduction.md");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut page = String::from(INTRODUCTION);
    features(&mut page)?;
    for format in Format::ALL {
        writeln!(page, "\n### {}\n", format.as_str())?;
        members(&mut page, foreign(format))?;
    }
    writeln!(page, "\n### Embeddings\n")?;
    members(&mut page, EMBEDDING_FOREIGN)?;
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api/translation.md");
    std::fs::write(place, page)?;
    Ok(())
}

fn features(page: &mut String) -> std::fmt::Result {
    writeln!(page, "| | {} |", Format::ALL.map(Format::as_str).join(" | "))?;
    writeln!(page, "|---|{}", "---|".repeat(Format::ALL.len()))?;
    for feature in Feature::ALL {
        let cells = Format::ALL.map(|format| cell(feature.at(format)));
        writeln!(page, "| `{}` | {} |", feature.name(), cells.join(" | "))?;
    }
    writeln!(page, "\n## Members of one protocol alone")
}

fn members(page: &mut String, table: &[Foreign]) -> std::fmt::Result {
    writeln!(page, "| member | elsewhere |\n|---|---|")?;
    for Foreign { field, verdict } in table {
        writeln!(page, "| `{field}` | {} |", cell(*verdict))?;
    }
    Ok(())
}

fn cell(verdict: Verdict) -> String {
    match verdict {
        Verdict::Carried(how) => how.to_owned(),
        Verdict::Adapted(How::Dropped, why) => format!("*dropped*: {why}"),
        Verdict::Adapted(how, words) => format!("*{}*: {words}", how.as_str()),
        Verdict::Refused(why) => format!("**refused**: {why}"),
    }
}
