//! The control plane's process; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    admin_svc::command::main()
}
