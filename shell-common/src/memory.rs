//! What is set from inside so that the process stays small, and can hold a connection for each container.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// To be called once, before there are other threads.
pub(crate) fn tune() {
    tune_allocator();
    raise_file_limit();
}

/// glibc keeps an arena per thread and raises its own thresholds after each large block that is freed: a long list,
/// once sent, would stay in the process for ever. With these it has one arena, and gives large blocks back at once.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn tune_allocator() {
    const LARGE: libc::c_int = 128 * 1024;
    for (what, value) in [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, LARGE), (libc::M_TRIM_THRESHOLD, LARGE)] {
        // SAFETY: mallopt takes two integers, knows these three, and locks what it changes.
        unsafe { libc::mallopt(what, value) };
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn tune_allocator() {}

/// A stream of statistics is a connection for each container; many systems start processes with 1,024 files.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // Should it fail, the old limit holds, and the engine's executor tells when it is reached.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
