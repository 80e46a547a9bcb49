//! proxy-svc

pub mod report;
