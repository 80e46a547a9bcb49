//! Changes to documents that leave them whole: values of other types, members that are missing, come twice or stand
//! elsewhere, odd numbers and texts. Mutations of single bytes hardly ever get behind the JSON.

use serde_json::{Map, Value, json};

/// A sequence of numbers from a seed: the same input must be mutated in the same way.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below a limit, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or_default() % limit
    }
}

/// Changes one to four values of a document; `None` when it is none.
pub fn document(data: &[u8], random: &mut Random) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(data).ok()?;
    for _ in 0..=random.below(4) {
        let count = size(&value);
        let donor = at(&mut value, &mut random.below(count)).map(|value| value.clone());
        let count = size(&value);
        if let Some(place) = at(&mut value, &mut random.below(count)) {
            change(place, donor.unwrap_or_default(), random);
        }
    }
    serde_json::to_vec(&value).ok()
}

/// Changes the documents of a stream: some of them, and their order.
pub fn stream(data: &[u8], random: &mut Random) -> Vec<u8> {
    let text = String::from_utf8_lossy(data);
    let mut events: Vec<String> = text.split_inclusive("\n\n").map(str::to_owned).collect();
    for _ in 0..=random.below(3) {
        if events.is_empty() {
            break;
        }
        let place = random.below(events.len());
        match random.below(6) {
            0 => _ = events.remove(place),
            1 => events.insert(place, events[random.below(events.len())].clone()),
            2 => {
                let other = random.below(events.len());
                events.swap(place, other);
            }
            3 => events.truncate(place),
            _ => events[place] = event(&events[place], random),
        }
    }
    events.concat().into_bytes()
}

fn event(event: &str, random: &mut Random) -> String {
    let Some((head, data)) = event.split_once("data:") else { return event.to_owned() };
    let Some(changed) = document(data.trim().as_bytes(), random) else { return event.to_owned() };
    format!("{head}data: {}\n\n", String::from_utf8_lossy(&changed))
}

fn size(value: &Value) -> usize {
    1 + match value {
        Value::Object(members) => members.values().map(size).sum(),
        Value::Array(elements) => elements.iter().map(size).sum::<usize>(),
        _ => 0,
    }
}

/// The value at a place in the order of the text.
fn at<'v>(value: &'v mut Value, place: &mut usize) -> Option<&'v mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    match value {
        Value::Object(members) => members.values_mut().find_map(|value| at(value, place)),
        Value::Array(elements) => elements.iter_mut().find_map(|value| at(value, place)),
        _ => None,
    }
}

fn change(place: &mut Value, donor: Value, random: &mut Random) {
    match (place, random.below(4)) {
        (Value::Object(members), 0) if !members.is_empty() => {
            let name = members.keys().nth(random.below(members.len())).cloned().unwrap_or_default();
            members.remove(&name);
        }
        (Value::Object(members), 1) => {
            // The name of something else.
            let name = donor.as_object().and_then(|donor| donor.keys().next().cloned());
            members.insert(name.unwrap_or_else(|| "odd \u{e9}\n".to_owned()), odd(random));
        }
        (Value::Array(elements), 0) if !elements.is_empty() => {
            elements.remove(random.below(elements.len()));
        }
        (Value::Array(elements), 1) if !elements.is_empty() => {
            let again = elements[random.below(elements.len())].clone();
            elements.push(again);
        }
        (Value::Array(elements), 2) => elements.push(donor),
        (place, 3) => *place = donor,
        (place, _) => *place = odd(random),
    }
}

fn odd(random: &mut Random) -> Value {
    match random.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(false),
        3 => json!(0),
        4 => json!(-1),
        5 => json!(u64::MAX),
        6 => json!(1.5e300),
        7 => json!(""),
        8 => json!(" \n"),
        9 => json!("\u{0}\u{1f600}\u{2028}\"\\"),
        10 => json!("data:image/png;base64,iVBORw0KGgo="),
        11 => json!("x".repeat(200)),
        12 => json!([]),
        13 => Value::Object(Map::new()),
        14 => json!([[null], {"a": {}}]),
        _ => json!({"type": "text", "text": "t", "thought": true, "signature": "s"}),
    }
}
