//! Reporting from its outside: a real journal on a real disk, a real gRPC connection, and a control plane of ours at
//! its other end that can be slow, forgetful or gone.

#[path = "report/control_plane.rs"]
mod control_plane;
#[path = "report/delivery.rs"]
mod delivery;
#[path = "report/requests.rs"]
mod requests;
