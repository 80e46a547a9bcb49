use super::*;

/// `serde_json` as the judge, over text that is valid UTF-8: the value is well-formed and no deeper than it allows.
fn accepted_by_serde(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() && depth(text) <= DEPTH_LIMIT
}

/// How deep brackets and braces are nested outside strings; only meant for well-formed text.
fn depth(text: &str) -> usize {
    let (mut open, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' if !in_string => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn accepted(text: &str) -> bool {
    skip_value(text.as_bytes(), 0, 0).is_ok_and(|end| skip_whitespace(text.as_bytes(), end) == text.len())
}

#[test]
fn what_serde_accepts_is_accepted_and_nothing_else() {
    let texts = [
        "0",
        "-0",
        "1.5e-7",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "true",
        "tru",
        "truex",
        "null",
        "nul",
        "[]",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{}",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\"}",
        "{a:1}",
        "{\"a\":1 \"b\":2}",
        "\"\"",
        "\"a",
        "\"\\n\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "\"\\ud800\"",
        "\"\u{1}\"",
        "\"\u{7f}\"",
        "\"ä€😀\"",
        " [ 1 , 2 ] ",
        "[1]]",
        "{]",
        "[}",
        "",
        " ",
        "\u{feff}{}",
        "[[[[1]]]]",
        "\"\\",
        "\"\\u",
        "1 2",
        "NaN",
        "[true,false,null]",
    ];
    for text in texts {
        assert_eq!(accepted(text), accepted_by_serde(text), "{text:?}");
    }
}

#[test]
fn what_cannot_stand_in_a_string_is_found_wherever_it_is() {
    for length in [0, 1, 8, 9, 33, 97, 165] {
        for filler in [b' ', b'#', 0xff] {
            let clean = vec![filler; length];
            for from in 0..=length {
                assert_eq!(find_special(&clean, from), length);
            }
            for at in 0..length {
                for byte in (0..=b'#').chain([b'[', b'\\', b']', 0x7f, 0x80, 0x9f, 0xa2, 0xdc, 0xff]) {
                    let mut text = clean.clone();
                    text[at] = byte;
                    let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    let expected = if is_special { at } else { length };
                    assert_eq!(find_special(&text, 0), expected, "{byte} at {at} of {length}");
                }
            }
        }
    }
}
