//! proxy-svc
