//! The system's allocator, with a larger cache in each thread.
//!
//! A request takes some sixty small pieces of memory and gives them back together; of each size glibc keeps seven in a
//! thread, and what is beyond takes the long way ([why](../../docs/adr/0013-the-allocators-thread-cache-is-larger.md)).

/// Starts this program anew, in the same process and with the same arguments, unless somebody has chosen how the
/// allocator works. To be called before anything else. Does nothing where it would be of no use.
pub fn enlarge_thread_caches() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    glibc::enlarge_thread_caches();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::{env, fs, os::unix::process::CommandExt, path::Path, process::Command};

    /// Read when a process starts, and never again; so not by the layered configuration.
    const TUNABLES: &str = "GLIBC_TUNABLES";
    const LARGER_CACHE: &str = "glibc.malloc.tcache_count=64";
    /// Programs with privileges of their own lose the tunables as they start, and would start for ever.
    const STARTED_ANEW: &str = "PROXY_SVC_STARTED_ANEW";
    const PROGRAM: &str = "/proc/self/exe";

    pub(super) fn enlarge_thread_caches() {
        let is_decided = env::var_os(TUNABLES).is_some() || env::var_os(STARTED_ANEW).is_some();
        let mut arguments = env::args_os();
        if !is_decided
            && is_itself()
            && let Some(name) = arguments.next()
        {
            let mut anew = Command::new(PROGRAM);
            // Returns only when it fails: then this one goes on.
            let _ = anew.arg0(name).args(arguments).env(TUNABLES, LARGER_CACHE).env(STARTED_ANEW, "1").exec();
        }
    }

    /// Not run by a dynamic loader that was called by name.
    fn is_itself() -> bool {
        fs::read_link(PROGRAM).is_ok_and(|program| {
            let name = program.file_name().and_then(|name| Path::new(name).to_str()).unwrap_or_default();
            !name.starts_with("ld-") && !name.starts_with("ld.")
        })
    }
}
