//! Error bodies of upstreams.

use tollgate_dialect::classify::{self, Class};
use tollgate_dialect::translate::write_error;

use super::{PROTOCOLS, digest, json};

const STATUSES: [u16; 12] = [400, 401, 403, 404, 413, 422, 429, 500, 503, 504, 529, 302];

pub fn check(data: &[u8]) {
    for from in PROTOCOLS {
        let status = STATUSES[digest(data) % STATUSES.len()];
        classify::fault(from, status, data);
        let class = classify::response(from, status, &|_| std::str::from_utf8(data).ok(), Some(data));
        assert!(class != Class::Ok, "an error is none");
        for to in PROTOCOLS {
            let (status, content_type, body) = write_error(from, to, status, data, "r-1");
            assert!((400..600).contains(&status) && content_type == "application/json", "{status} {content_type}");
            assert!(json::parse(&body, "the error").is_object(), "the error is no object");
        }
    }
}
