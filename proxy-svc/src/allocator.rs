//! The system's allocator, with a larger cache in each thread.
//!
//! A request takes some sixty small pieces of memory and gives them back together; of each size glibc keeps seven in a
//! thread, and what is beyond takes the long way ([why](../../docs/adr/0013-the-allocators-thread-cache-is-larger.md)).

/// Read by glibc when a process starts, and never again.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TUNABLES: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=64");

/// Starts this program anew, in the same process and with the same arguments, unless somebody has chosen how the
/// allocator works. To be called before anything else. Where it is of no use, or fails, everything goes on as it is.
pub fn enlarge_thread_caches() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        use std::{env, os::unix::process::CommandExt, process::Command};

        let (name, value) = TUNABLES;
        let mut arguments = env::args_os();
        if env::var_os(name).is_none()
            && let Some(program) = arguments.next()
        {
            // Returns only when it fails.
            let _ = Command::new("/proc/self/exe").arg0(program).args(arguments).env(name, value).exec();
        }
    }
}
