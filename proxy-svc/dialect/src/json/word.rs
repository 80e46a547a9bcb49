//! Looking for one of a few bytes, eight or more at a time.
//!
//! In short texts, which most names and values are, one machine word after another is looked at; in long ones blocks
//! that the compiler turns into vector instructions. There is no table and no call, so that a text of five bytes costs
//! a few nanoseconds and one of a megabyte is read at the speed of memory.

/// Bytes looked at together in a long text.
const BLOCK: usize = 64;
/// Words looked at one by one before that.
const WORDS: usize = 4;

const EACH: u64 = 0x0101_0101_0101_0101;
const TOP_BITS: u64 = 0x8080_8080_8080_8080;

/// A word of eight times this byte.
const fn eight(byte: u8) -> u64 {
    EACH * u64::from_le_bytes([byte, 0, 0, 0, 0, 0, 0, 0])
}

/// The top bits of the bytes that are equal to this one. A borrow may set a bit above the lowest that is right, never
/// one below it.
pub(super) const fn bytes_equal(word: u64, byte: u8) -> u64 {
    let difference = word ^ eight(byte);
    difference.wrapping_sub(EACH) & !difference & TOP_BITS
}

/// The top bits of the bytes that are less than this one, which is at most 128; as [`bytes_equal`].
pub(super) const fn bytes_below(word: u64, byte: u8) -> u64 {
    word.wrapping_sub(eight(byte)) & !word & TOP_BITS
}

/// The offset of the first byte from `from` on for which `is_hit` says yes, and `bits` sets the lowest bit that it
/// sets; the text's length when there is none.
#[inline]
pub(super) fn find(text: &[u8], from: usize, bits: impl Fn(u64) -> u64, is_hit: impl Fn(u8) -> bool) -> usize {
    let mut at = from;
    let mut words = 0;
    while let Some(bytes) = text.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let hits = bits(u64::from_le_bytes(*bytes));
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
        words += 1;
        if words == WORDS {
            at = skip_blocks(text, at, &is_hit);
        }
    }
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().position(|&byte| is_hit(byte)).map_or(text.len(), |offset| at + offset)
}

/// Goes over the blocks without a hit.
fn skip_blocks(text: &[u8], from: usize, is_hit: impl Fn(u8) -> bool) -> usize {
    let mut at = from;
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        if block.iter().fold(false, |hit, &byte| hit | is_hit(byte)) {
            break;
        }
        at += BLOCK;
    }
    at
}
