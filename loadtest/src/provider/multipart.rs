//! `multipart/form-data`, as far as uploads of files, images and audio need it.

use bytes::Bytes;
use memchr::memmem;

use super::incoming::Incoming;

#[derive(Debug, Default)]
pub(crate) struct Form {
    parts: Vec<Part>,
}

#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) content: Bytes,
}

impl Form {
    /// The form in the request's body; `None` when it is not a well-formed one.
    pub(crate) fn of(incoming: &Incoming) -> Option<Self> {
        let content_type = incoming.header("content-type")?;
        if !content_type.to_ascii_lowercase().starts_with("multipart/form-data") {
            return None;
        }
        let boundary = attribute(content_type, "boundary")?;
        Self::parse(&incoming.body, &boundary)
    }

    fn parse(body: &Bytes, boundary: &str) -> Option<Self> {
        let delimiter = format!("\r\n--{boundary}");
        let mut at = body.strip_prefix(&delimiter.as_bytes()[2..]).map(|_| delimiter.len() - 2)?;
        let mut parts = Vec::new();
        loop {
            let rest = &body[at..];
            if rest.starts_with(b"--") {
                return Some(Self { parts });
            }
            let start = at + rest.strip_prefix(b"\r\n").map(|_| 2)?;
            let head_length = memmem::find(&body[start..], b"\r\n\r\n")?;
            let content_start = start + head_length + 4;
            let content_length = memmem::find(&body[content_start..], delimiter.as_bytes())?;
            let head = std::str::from_utf8(&body[start..start + head_length]).ok()?;
            let disposition =
                head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
            parts.push(Part {
                name: attribute(disposition, "name")?,
                file_name: attribute(disposition, "filename"),
                content: body.slice(content_start..content_start + content_length),
            });
            at = content_start + content_length + delimiter.len();
        }
    }

    pub(crate) fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.part(name).map(|part| String::from_utf8_lossy(&part.content).into_owned())
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.parts.iter().filter(|part| part.name == name || part.name.strip_suffix("[]") == Some(name)).count()
    }
}

/// `…; name=value` or `…; name="value"`.
fn attribute(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_bytes() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
            --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\
            \x00--b\r\n\r\n--b--\r\n";
        let form = Form::parse(&Bytes::from_static(body), "b").unwrap();
        assert_eq!(form.text("model").as_deref(), Some("whisper-1"));
        let file = form.part("file").unwrap();
        assert_eq!(file.file_name.as_deref(), Some("a.wav"));
        assert_eq!(&file.content[..], b"\x00--b\r\n");
    }

    #[test]
    fn a_form_without_its_end_is_none() {
        let body = Bytes::from_static(b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nvalue");
        assert!(Form::parse(&body, "b").is_none());
    }
}
