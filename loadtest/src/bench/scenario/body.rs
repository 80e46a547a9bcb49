//! Requests that carry 1 MB, as those with images do.

use anyhow::Result;

use super::super::contender::Stage;
use super::super::settings::Settings;
use super::{Figures, plain};

const CONNECTIONS: usize = 8;
const IMAGE_BYTES: usize = 1 << 20;

pub(super) async fn measure(stage: &Stage, index: usize, settings: &Settings) -> Result<Option<Figures>> {
    let image = "iVBORw0KGgoAAAAN".repeat(IMAGE_BYTES / 16);
    let body = format!(
        r#"{{"model":"gpt-4o-sim-bytes-90","messages":[{{"role":"user","content":[{{"type":"text","text":"What is this?"}},{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{image}"}}}}]}}]}}"#
    );
    plain::load(stage, index, settings, &body, CONNECTIONS).await.map(Some)
}
