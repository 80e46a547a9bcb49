use super::*;

const CELL: Cell<'static> = Cell { table: "upstream_keys", id: "1", column: "sealed_secret" };

fn keyring(byte: u8) -> Keyring {
    Keyring::new(MasterKey::from_bytes([byte; 32]))
}

#[test]
fn sealed_value_opens_in_its_cell_only() {
    let keyring = keyring(1);
    let sealed = keyring.seal(CELL, 3, b"sk-canary").unwrap();
    assert!(!sealed.contains("canary"));
    assert_eq!(keyring.unseal(CELL, &sealed).unwrap().as_slice(), b"sk-canary");
    for cell in [Cell { id: "2", ..CELL }, Cell { column: "name", ..CELL }, Cell { table: "users", ..CELL }] {
        assert!(matches!(keyring.unseal(cell, &sealed), Err(SealError::Altered)));
    }
}

#[test]
fn version_cannot_be_changed_in_the_text() {
    let sealed = keyring(1).seal(CELL, 3, b"x").unwrap();
    let other_version = sealed.replacen(".3.", ".4.", 1);
    assert!(matches!(keyring(1).unseal(CELL, &other_version), Err(SealError::Altered)));
}

#[test]
fn every_changed_character_is_noticed() {
    let sealed = keyring(1).seal(CELL, 1, b"secret").unwrap();
    for position in 0..sealed.len() {
        let mut altered = sealed.clone().into_bytes();
        altered[position] = if altered[position] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        // The last character of unpadded base64 may hold bits that mean nothing; the decoder refuses those.
        assert!(keyring(1).unseal(CELL, &altered).is_err(), "position {position}");
    }
}

#[test]
fn another_master_key_is_named() {
    let sealed = keyring(1).seal(CELL, 1, b"secret").unwrap();
    let id = MasterKey::from_bytes([1; 32]).id();
    assert!(matches!(keyring(2).unseal(CELL, &sealed), Err(SealError::OtherMasterKey(named)) if named == id));
}

#[test]
fn rotation_rewraps_and_leaves_the_value() {
    let sealed = keyring(1).seal(CELL, 1, b"secret").unwrap();
    let rotating = Keyring::rotating(MasterKey::from_bytes([2; 32]), MasterKey::from_bytes([1; 32]));
    let rewrapped = rotating.rewrap(CELL, &sealed).unwrap().unwrap();
    assert_eq!(keyring(2).unseal(CELL, &rewrapped).unwrap().as_slice(), b"secret");
    assert_eq!(rotating.rewrap(CELL, &rewrapped).unwrap(), None);
}

#[test]
fn master_key_is_read_from_base64_and_hexadecimal_digits() {
    let key = MasterKey::from_bytes([0xab; 32]);
    assert_eq!(MasterKey::from_text(&key.to_text()).unwrap(), key);
    assert_eq!(MasterKey::from_text(&format!(" {}\n", "ab".repeat(32))).unwrap(), key);
    for text in ["", "short", "zz", &"ab".repeat(31), &"g".repeat(64)] {
        assert!(MasterKey::from_text(text).is_err(), "{text}");
    }
}
