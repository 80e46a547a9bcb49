//! Reporting from its outside: a real journal on a real disk, a real gRPC connection, and a control plane of ours at
//! its other end that can be slow, forgetful or gone.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "report/control_plane.rs"]
mod control_plane;
#[path = "report/crash.rs"]
mod crash;
#[path = "report/delivery.rs"]
mod delivery;
#[path = "report/full_disk.rs"]
mod full_disk;
#[path = "report/requests.rs"]
mod requests;
