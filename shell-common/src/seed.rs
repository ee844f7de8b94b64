//! The core's one source of chance.

use std::fs::File;
use std::io::Read;

/// A number nobody can guess, or where the system gives none, the time: it spreads reconnects, nothing is secret by it.
pub(crate) fn from_system() -> u64 {
    let mut bytes = [0; 8];
    match File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)) {
        Ok(()) => u64::from_ne_bytes(bytes),
        Err(_) => {
            let time = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
            u64::from(time.subsec_nanos()) << 32 ^ time.as_secs() ^ u64::from(std::process::id())
        }
    }
}
