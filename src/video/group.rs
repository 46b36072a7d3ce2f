//! EDGE: a program run by `sh -c` in a process group of its own, so that it ends with everything it started. Decides
//! nothing: `pipe` says when to ask, to end, and to start again.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// How long a program has to end after SIGTERM when we are leaving ourselves.
const GRACE: Duration = Duration::from_millis(300);
/// And after SIGKILL, which needs no time except for a process that hangs in a driver.
const LAST_GRACE: Duration = Duration::from_millis(100);
/// Between two looks during those.
const STEP: Duration = Duration::from_millis(5);

/// A process group that we started. Dropping it kills what is left.
#[derive(Debug)]
pub(super) struct Group {
    leader: Child,
    status: Option<ExitStatus>,
    /// Nobody is left: its number may belong to others by now and gets no more signals.
    gone: bool,
}

/// What to tell a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// SIGTERM: tidy up and leave.
    Leave,
    /// SIGKILL.
    Die,
}

impl Group {
    /// Runs `command` by `sh -c`: no standard input, its output to us, its messages beside ours.
    ///
    /// # Errors
    /// There is no `sh`, or no room for another process.
    pub(super) fn spawn(command: &str) -> io::Result<(Self, ChildStdout)> {
        let mut leader = Command::new("sh")
            .arg("-c")
            .arg(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .process_group(0)
            // A secret of ours is none of its business.
            .env_remove("WINDSHIELD_TOKEN")
            .spawn()?;
        let output = leader.stdout.take().expect("its standard output was asked for as a pipe");
        Ok((Self { leader, status: None, gone: false }, output))
    }

    /// Process id of the shell, which is the number of the group.
    pub(super) fn id(&self) -> u32 {
        self.leader.id()
    }

    /// How the shell ended, if it did. Buries it, so that no zombie is left.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.leader.try_wait().ok().flatten();
        }
        self.status
    }

    /// The shell and everything it started have ended.
    pub(super) fn is_gone(&mut self) -> bool {
        // Until the shell is buried the group exists, and while anybody is in it the kernel gives its number to no one.
        if !self.gone && self.status().is_some() {
            // SAFETY: signal 0 only asks.
            let answer = unsafe { libc::kill(self.number(), 0) };
            self.gone = answer != 0 && io::Error::last_os_error().raw_os_error() == Some(libc::ESRCH);
        }
        self.gone
    }

    /// Signals the whole group.
    pub(super) fn signal(&mut self, signal: Signal) {
        if self.is_gone() {
            return;
        }
        let number = if signal == Signal::Leave { libc::SIGTERM } else { libc::SIGKILL };
        // SAFETY: no memory is passed; the group is ours, since it is not gone. A failure means that it went just now.
        unsafe { libc::kill(self.number(), number) };
    }

    /// Ends the group now, waiting 400 ms at most.
    pub(super) fn end(&mut self) {
        for (signal, grace) in [(Signal::Leave, GRACE), (Signal::Die, LAST_GRACE)] {
            self.signal(signal);
            let mut waited = Duration::ZERO;
            while !self.is_gone() && waited < grace {
                thread::sleep(STEP);
                waited += STEP;
            }
        }
        if self.status.is_none() {
            log::error!(
                "the camera program (process {}) does not end, not even by SIGKILL: it hangs in a driver",
                self.id()
            );
        }
    }

    fn number(&self) -> libc::pid_t {
        -(self.leader.id() as libc::pid_t)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::Die);
        self.status();
    }
}
