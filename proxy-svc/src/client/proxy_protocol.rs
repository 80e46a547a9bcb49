//! The PROXY protocol, versions 1 and 2: the first bytes of a connection, in which a balancer says whose it is. Pure.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use bytes::Buf;

/// The longest header of version 1 (specification, section 2.1).
const LONGEST_V1: usize = 107;
const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_FIXED: usize = 16;
/// Addresses and extensions; balancers send far less, and nobody may make us wait for 64 KiB.
const LONGEST_V2: usize = 4096;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preface {
    /// More bytes are needed.
    Incomplete,
    Header(Header),
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Absent: the balancer speaks for itself (a health check), or does not know.
    pub(crate) source: Option<SocketAddr>,
    /// Bytes of the header; what follows is the connection's.
    pub(crate) length: usize,
}

pub(crate) fn read(bytes: &[u8]) -> Preface {
    if is_beginning(V2_START, bytes) { read_v2(bytes) } else { read_v1(bytes) }
}

/// Of the two, the shorter begins as the longer.
fn is_beginning(whole: &[u8], bytes: &[u8]) -> bool {
    let common = whole.len().min(bytes.len());
    common > 0 && whole[..common] == bytes[..common]
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n`
fn read_v1(bytes: &[u8]) -> Preface {
    let start = V1_START.len().min(bytes.len());
    if bytes[..start] != V1_START[..start] {
        return Preface::Malformed;
    }
    let Some(end) = memchr::memchr(b'\n', &bytes[..bytes.len().min(LONGEST_V1)]) else {
        return if bytes.len() < LONGEST_V1 { Preface::Incomplete } else { Preface::Malformed };
    };
    let line = bytes[..end].strip_suffix(b"\r");
    match line.ok_or(Unreadable).and_then(source_v1) {
        Ok(source) => Preface::Header(Header { source, length: end + 1 }),
        Err(Unreadable) => Preface::Malformed,
    }
}

/// A line that is no header.
struct Unreadable;

fn source_v1(line: &[u8]) -> Result<Option<SocketAddr>, Unreadable> {
    // Whatever stands behind it is to be ignored.
    if line.split(|byte| *byte == b' ').nth(1) == Some(b"UNKNOWN") {
        return Ok(None);
    }
    let mut words = std::str::from_utf8(line).map_err(|_| Unreadable)?.split(' ').skip(1);
    let family = words.next().ok_or(Unreadable)?;
    let (source, destination): (IpAddr, IpAddr) = (parsed(words.next())?, parsed(words.next())?);
    let (port, _): (u16, u16) = (parsed(words.next())?, parsed(words.next())?);
    let of_family = match family {
        "TCP4" => source.is_ipv4() && destination.is_ipv4(),
        "TCP6" => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    let whole = of_family && words.next().is_none();
    if whole { Ok(Some(SocketAddr::new(source, port))) } else { Err(Unreadable) }
}

fn parsed<T: FromStr>(word: Option<&str>) -> Result<T, Unreadable> {
    word.and_then(|word| word.parse().ok()).ok_or(Unreadable)
}

fn read_v2(bytes: &[u8]) -> Preface {
    let Some(fixed) = bytes.get(..V2_FIXED) else { return Preface::Incomplete };
    let (version_and_command, family) = (fixed[12], fixed[13]);
    let length = V2_FIXED + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > LONGEST_V2 {
        return Preface::Malformed;
    }
    let Some(mut addresses) = bytes.get(V2_FIXED..length) else { return Preface::Incomplete };
    let source = match (version_and_command, family) {
        // TCP over IPv4 and IPv6: source, destination, source's port, destination's port.
        (0x21, 0x11) if addresses.len() >= 12 => {
            let source = IpAddr::from(addresses.get_u32().to_be_bytes());
            addresses.advance(4);
            Some(SocketAddr::new(source, addresses.get_u16()))
        }
        (0x21, 0x21) if addresses.len() >= 36 => {
            let source = IpAddr::from(addresses.get_u128().to_be_bytes());
            addresses.advance(16);
            Some(SocketAddr::new(source, addresses.get_u16()))
        }
        // LOCAL: the addresses, if any, are to be ignored. A family that is not one of TCP's says nothing of use here.
        (0x20, _) | (0x21, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => None,
        _ => return Preface::Malformed,
    };
    Preface::Header(Header { source, length })
}

/// A header of version 2 as a balancer writes it; for tests.
#[cfg(test)]
pub(crate) fn write_v2(source: SocketAddr, destination: SocketAddr, extensions: &[u8]) -> bytes::Bytes {
    use bytes::{BufMut, BytesMut};
    let mut bytes = BytesMut::from(V2_START);
    let addresses = match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes.put_slice(&[0x21, 0x11]);
            [source.octets(), destination.octets()].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            bytes.put_slice(&[0x21, 0x21]);
            [source.octets(), destination.octets()].concat()
        }
        _ => panic!("one family"),
    };
    bytes.put_u16(u16::try_from(addresses.len() + 4 + extensions.len()).unwrap());
    bytes.put_slice(&addresses);
    bytes.put_u16(source.port());
    bytes.put_u16(destination.port());
    bytes.put_slice(extensions);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(source: &str, length: usize) -> Preface {
        Preface::Header(Header { source: Some(source.parse().unwrap()), length })
    }

    #[test]
    fn version_1_is_a_line() {
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\r\n";
        assert_eq!(read(&[line, b"GET / HTTP/1.1\r\n".as_slice()].concat()), header("192.0.2.1:4711", line.len()));
        let line = b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n";
        assert_eq!(read(line), header("[2001:db8::1]:1", line.len()));
        for unknown in
            [&b"PROXY UNKNOWN\r\n"[..], b"PROXY UNKNOWN ffff::1 ffff::1 1 2\r\n", b"PROXY UNKNOWN \xff\xfe\r\n"]
        {
            assert_eq!(read(unknown), Preface::Header(Header { source: None, length: unknown.len() }));
        }
        for bad in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80 1\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 4711 80\n",
            "PROXY TCP4 192.0.2.1 192.0.2.2 70000 80\r\n",
            "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            "proxy",
        ] {
            assert_eq!(read(bad.as_bytes()), Preface::Malformed, "{bad}");
        }
        assert_eq!(read(&[b"PROXY ".as_slice(), &[b'x'; 101]].concat()), Preface::Malformed);
    }

    #[test]
    fn version_2_is_binary() {
        let (source, destination) = ("192.0.2.1:4711".parse().unwrap(), "192.0.2.2:80".parse().unwrap());
        let bytes = write_v2(source, destination, b"\x04\0\x01x");
        assert_eq!(read(&[&bytes, b"GET".as_slice()].concat()), header("192.0.2.1:4711", bytes.len()));
        let local = [V2_START, &[0x20, 0, 0, 0]].concat();
        assert_eq!(read(&local), Preface::Header(Header { source: None, length: 16 }));
        for bad in [[0x11, 0x11, 0, 12], [0x22, 0x11, 0, 12], [0x21, 0x11, 0, 11], [0x21, 0x11, 0xff, 0xff]] {
            assert_eq!(read(&[V2_START, &bad, &[0; 40]].concat()), Preface::Malformed, "{bad:?}");
        }
    }

    proptest! {
        /// Any bytes are read; and what is a header once is one whatever follows it.
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), version_2: bool) {
            let bytes = if version_2 { [V2_START, &bytes].concat() } else { bytes };
            if let Preface::Header(header) = read(&bytes) {
                prop_assert_eq!(read(&bytes[..header.length]), Preface::Header(header));
                prop_assert_eq!(read(&bytes[..header.length - 1]), Preface::Incomplete);
            }
        }

        /// Cut anywhere, a good header is incomplete, never wrong.
        #[test]
        fn header_may_come_in_pieces(source: (u32, u16), version_2: bool, cut in 0.0..1.0_f64) {
            let source = SocketAddr::new(IpAddr::from(source.0.to_be_bytes()), source.1);
            let destination = "192.0.2.2:80".parse().unwrap();
            let bytes = if version_2 { write_v2(source, destination, b"") } else {
                format!("PROXY TCP4 {} 192.0.2.2 {} 80\r\n", source.ip(), source.port()).into()
            };
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
                reason = "a place in a few bytes")]
            let cut = (bytes.len() as f64 * cut) as usize;
            prop_assert_eq!(read(&bytes[..cut]), Preface::Incomplete);
            prop_assert_eq!(read(&bytes), Preface::Header(Header { source: Some(source), length: bytes.len() }));
        }
    }
}
