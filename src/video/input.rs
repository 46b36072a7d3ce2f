//! EDGE: the reading end of a pipe, without blocking: standard input or the output of a program. Reads, and tells when
//! the pipe is empty and whether it may have been full; what that means for pictures is known by `assembler`.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::assembler::Fill;

/// What an unprivileged program may ask for (/proc/sys/fs/pipe-max-size), so that a whole keyframe fits one write.
const CAPACITY: libc::c_int = 1 << 20;

/// Assumed where there is no telling: the size of a new pipe.
const USUAL_CAPACITY: usize = 64 << 10;

/// A descriptor that is read.
#[derive(Debug)]
pub(super) struct Input {
    file: File,
    /// Its flags as we found them; standard input belongs to others as well.
    flags: libc::c_int,
    /// Bytes that it certainly takes before a writer has to wait.
    certain: usize,
    /// Bytes read since it was empty.
    since_empty: usize,
}

/// What a read brought.
#[derive(Debug)]
pub(super) enum Brought {
    /// So many bytes, and there may be more.
    Bytes(usize),
    /// So many bytes, none included, and it is empty now.
    Last(usize, Fill),
    /// Nothing will come any more.
    End,
}

impl Input {
    /// Takes over a descriptor and registers it.
    ///
    /// # Errors
    /// The descriptor cannot be waited for.
    pub(super) fn new(fd: OwnedFd, registry: &Registry, token: Token) -> io::Result<Self> {
        let flags = flags(fd.as_fd())?;
        let raw = fd.as_raw_fd();
        // Sockets refuse, and a user whose pipes take much memory already gets no more: then it stays as it is.
        // SAFETY: no memory is passed.
        let size = unsafe {
            libc::fcntl(raw, libc::F_SETPIPE_SZ, CAPACITY);
            libc::fcntl(raw, libc::F_GETPIPE_SZ)
        };
        // Every write takes whole pages, so that half of it is certain to be there for bytes.
        let certain = usize::try_from(size).unwrap_or(USUAL_CAPACITY) / 2;
        registry.register(&mut SourceFd(&raw), token, Interest::READABLE)?;
        let input = Self { file: File::from(fd), flags, certain, since_empty: 0 };
        input.set_flags(flags | libc::O_NONBLOCK)?;
        Ok(input)
    }

    /// Standard input, if it is a stream.
    ///
    /// # Errors
    /// A sentence: it is a terminal, a file, or closed.
    pub(super) fn stdin(registry: &Registry, token: Token) -> io::Result<Self> {
        let refuse = |why: &str| {
            let sentence = format!("--source pipe:- wants a stream of H.264 on standard input, which is {why}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, sentence))
        };
        // A descriptor of our own, so that closing it leaves number 0 in its place.
        let Ok(fd) = io::stdin().as_fd().try_clone_to_owned() else {
            return refuse("closed; start it as: CAMERA_PROGRAM | windshield --source pipe:-");
        };
        let file = File::from(fd);
        // Only these can be waited for with epoll.
        match file.metadata()?.file_type() {
            kind if kind.is_fifo() || kind.is_socket() => Self::new(file.into(), registry, token),
            kind if kind.is_file() => refuse("a file; to play it at its pace use --source clip:FILE.h264"),
            _ if io::IsTerminal::is_terminal(&file) => {
                refuse("a terminal; start it as: CAMERA_PROGRAM | windshield --source pipe:-")
            }
            _ => refuse("neither pipe nor socket; start it as: CAMERA_PROGRAM | windshield --source pipe:-"),
        }
    }

    /// Reads once.
    pub(super) fn read(&mut self, room: &mut [u8]) -> Brought {
        match self.file.read(room) {
            Ok(0) => Brought::End,
            // A pipe gives all it has, so a short read has emptied it.
            Ok(count) if count < room.len() => {
                let fill = self.fill(count);
                self.since_empty = 0;
                Brought::Last(count, fill)
            }
            Ok(count) => {
                self.since_empty += count;
                Brought::Bytes(count)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Brought::Bytes(0),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let fill = self.fill(0);
                self.since_empty = 0;
                Brought::Last(0, fill)
            }
            Err(error) => {
                log::warn!("reading the camera's stream: {error}");
                Brought::End
            }
        }
    }

    /// Says good-bye to the loop, and leaves the descriptor as it was found.
    pub(super) fn close(self, registry: &Registry) {
        // Fails only if it was not registered: nothing is lost then.
        let _ = registry.deregister(&mut SourceFd(&self.file.as_raw_fd()));
        let _ = self.set_flags(self.flags);
    }

    fn fill(&self, count: usize) -> Fill {
        if self.since_empty + count < self.certain { Fill::Never } else { Fill::Maybe }
    }

    fn set_flags(&self, flags: libc::c_int) -> io::Result<()> {
        // SAFETY: no memory is passed.
        match unsafe { libc::fcntl(self.file.as_raw_fd(), libc::F_SETFL, flags) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}

fn flags(fd: BorrowedFd<'_>) -> io::Result<libc::c_int> {
    // SAFETY: no memory is passed.
    match unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) } {
        -1 => Err(io::Error::last_os_error()),
        flags => Ok(flags),
    }
}
