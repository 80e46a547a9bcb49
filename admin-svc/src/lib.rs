//! admin-svc
