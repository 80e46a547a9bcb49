//! The usage that callers are shown.

use crate::json::write::Object;
use crate::usage::Usage;

/// Of a whole answer, and of the beginning of a stream.
pub(super) fn write_whole(object: &mut Object<'_>, usage: &Usage) {
    let mut object = object.object("usage");
    object.count("input_tokens", usage.input_uncached);
    object.count("cache_creation_input_tokens", written(usage)).count("cache_read_input_tokens", usage.cache_read);
    object
        .object("cache_creation")
        .count("ephemeral_5m_input_tokens", usage.cache_write_5m)
        .count("ephemeral_1h_input_tokens", usage.cache_write_1h);
    write_output(&mut object, usage);
    object.null("server_tool_use").string("service_tier", "standard");
}

/// Of the end of a stream: the sums of all of it.
pub(super) fn write_total(object: &mut Object<'_>, usage: &Usage) {
    let mut object = object.object("usage");
    object.count("input_tokens", usage.input_uncached);
    object.count("cache_creation_input_tokens", written(usage)).count("cache_read_input_tokens", usage.cache_read);
    write_output(&mut object, usage);
    object.null("server_tool_use");
}

fn write_output(object: &mut Object<'_>, usage: &Usage) {
    object.count("output_tokens", usage.output);
    object.object("output_tokens_details").count("thinking_tokens", usage.reasoning);
}

const fn written(usage: &Usage) -> u64 {
    usage.cache_write_5m.saturating_add(usage.cache_write_1h)
}
