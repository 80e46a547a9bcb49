//! Writing JSON into a buffer, front to back: containers close themselves when they are dropped, so that what comes
//! out is always well formed.

use super::string::escape;
use super::{Text, Value};

/// An object that is being written.
pub(crate) struct Object<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

/// An array that is being written.
pub(crate) struct Array<'o> {
    out: &'o mut Vec<u8>,
    is_empty: bool,
}

impl<'o> Object<'o> {
    pub(crate) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// `name` needs no escapes: it is one of a protocol's.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Where one value has to be written next, under a name that is somebody else's and may need escapes.
    pub(crate) fn slot(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        write_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn text(&mut self, name: &str, text: &Text<'_>) -> &mut Self {
        write_text(self.name(name), text);
        self
    }

    pub(crate) fn string(&mut self, name: &str, text: &str) -> &mut Self {
        write_string(self.name(name), text);
        self
    }

    /// Several texts as one string, with nothing between them.
    pub(crate) fn texts(&mut self, name: &str, texts: &[&Text<'_>]) -> &mut Self {
        let out = self.name(name);
        out.push(b'"');
        for text in texts {
            text.write_escaped(out);
        }
        out.push(b'"');
        self
    }

    pub(crate) fn count(&mut self, name: &str, number: u64) -> &mut Self {
        write_count(self.name(name), number);
        self
    }

    pub(crate) fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        self.name(name).extend_from_slice(if value { b"true" } else { b"false" });
        self
    }

    pub(crate) fn null(&mut self, name: &str) -> &mut Self {
        self.name(name).extend_from_slice(b"null");
        self
    }

    /// A value as it stood elsewhere.
    pub(crate) fn value(&mut self, name: &str, value: Value<'_>) -> &mut Self {
        self.name(name).extend_from_slice(value.raw().as_bytes());
        self
    }

    /// JSON that was written elsewhere.
    pub(crate) fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.name(name).extend_from_slice(json.as_bytes());
        self
    }

    /// A value as the text of a string.
    pub(crate) fn value_in_string(&mut self, name: &str, value: Value<'_>) -> &mut Self {
        write_string(self.name(name), value.raw());
        self
    }

    pub(crate) fn object(&mut self, name: &str) -> Object<'_> {
        Object::begin(self.name(name))
    }

    pub(crate) fn array(&mut self, name: &str) -> Array<'_> {
        Array::begin(self.name(name))
    }

    /// Members that were written elsewhere, without the braces around them.
    pub(crate) fn members(&mut self, written: &[u8]) -> &mut Self {
        if !written.is_empty() {
            if !std::mem::replace(&mut self.is_empty, false) {
                self.out.push(b',');
            }
            self.out.extend_from_slice(written);
        }
        self
    }
}

impl Drop for Object<'_> {
    fn drop(&mut self) {
        self.out.push(b'}');
    }
}

impl<'o> Array<'o> {
    pub(crate) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        Self { out, is_empty: true }
    }

    /// Nothing was written into it.
    pub(crate) const fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Where one value has to be written next.
    pub(crate) fn slot(&mut self) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.out.push(b',');
        }
        self.out
    }

    pub(crate) fn text(&mut self, text: &Text<'_>) -> &mut Self {
        write_text(self.slot(), text);
        self
    }

    pub(crate) fn value(&mut self, value: Value<'_>) -> &mut Self {
        self.slot().extend_from_slice(value.raw().as_bytes());
        self
    }

    pub(crate) fn count(&mut self, number: u64) -> &mut Self {
        write_count(self.slot(), number);
        self
    }

    pub(crate) fn object(&mut self) -> Object<'_> {
        Object::begin(self.slot())
    }

    /// Elements that were written elsewhere, without the brackets around them.
    pub(crate) fn elements(&mut self, written: &[u8]) -> &mut Self {
        if !written.is_empty() {
            self.slot().extend_from_slice(written);
        }
        self
    }
}

impl Drop for Array<'_> {
    fn drop(&mut self) {
        self.out.push(b']');
    }
}

fn write_text(out: &mut Vec<u8>, text: &Text<'_>) {
    out.push(b'"');
    text.write_escaped(out);
    out.push(b'"');
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escape(text, out);
    out.push(b'"');
}

fn write_count(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_close_themselves() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.string("a", "x\"y").count("n", 1_234_567_890).null("z");
        {
            let mut array = object.array("list");
            array.text(&Text::Escaped("\\n")).value(Value::NULL);
            array.elements(b"").elements(b"1,2").object().boolean("b", false);
        }
        object.object("empty");
        object.texts("joined", &[&Text::Escaped("\\n"), &Text::plain("\"")]);
        object.value_in_string("raw", Value::parse(br#"{"q":1}"#).unwrap());
        object.slot("a\"b").push(b'1');
        drop(object);
        let expected = r#"{"a":"x\"y","n":1234567890,"z":null,"list":["\n",null,1,2,{"b":false}],"empty":{},"joined":"\n\"","raw":"{\"q\":1}","a\"b":1}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
