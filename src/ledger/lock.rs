//! The lock file beside the state: one writer. The operating system releases the lock when the process ends in
//! whatever way, so what an ended process has left in the file is harmless. The file is never removed: removing it
//! could take away the lock of a process that has just begun.

use std::{
    ffi::OsString,
    fs::{File, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::error::{Holder, OpenError};

/// Held while the value lives.
#[derive(Debug)]
pub(super) struct LockFile {
    file: File,
}

/// A path with something behind its last character.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

impl LockFile {
    /// Takes the lock of a state file, or says who has it.
    pub(super) fn acquire(state: &Path) -> Result<Self, OpenError> {
        let path = beside(state, ".lock");
        let failed = |source| OpenError::from_write(&path, source);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { path: state.to_owned(), holder: read_holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        write_holder(&mut file).map_err(failed)?;
        Ok(Self { file })
    }
}

impl Drop for LockFile {
    /// Unlocks explicitly: closing does not, while a child process that has just started still has a
    /// copy of the descriptor.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn write_holder(file: &mut File) -> std::io::Result<()> {
    let system = rustix::system::uname();
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{} {}", std::process::id(), system.nodename().to_string_lossy())
}

/// What the holder has written; it may not have come to that yet.
fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.take(1024).read_to_string(&mut text);
    let mut words = if read.is_ok() { text.split_whitespace() } else { "".split_whitespace() };
    let mut word = || words.next().unwrap_or("?").to_owned();
    Holder { pid: word(), host: word() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("flowcost.db");
        let lock = LockFile::acquire(&state).unwrap();
        // What a child process has between fork and exec.
        let copy = lock.file.try_clone().unwrap();
        assert!(matches!(LockFile::acquire(&state), Err(OpenError::Locked { .. })));
        drop(lock);
        LockFile::acquire(&state).unwrap();
        drop(copy);
    }
}
