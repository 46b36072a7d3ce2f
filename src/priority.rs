//! EDGE: thread priority. Signaling, and what writes traces, run beside the loop that moves the picture, on one core of a
//! small board: where both want the core, the picture goes first. Called at the start of each such thread.

/// Lower than normal by this much: about a third of the share of a normal thread (sched(7)), so that it gets
/// on even where something else keeps the core busy.
const NICE: libc::c_int = 5;

/// Puts the calling thread, and those it starts, behind the loop.
pub fn stand_back() {
    // The kernel takes what is above 19 as 19; going back asks for no rights.
    // SAFETY: takes no pointers.
    if unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, present() + NICE) } != 0 {
        log::warn!(
            "the priority of a thread stays as it is, and it may delay the picture: {}",
            std::io::Error::last_os_error()
        );
    }
}

/// The nice value of the calling thread: on Linux, who = 0 is that thread alone (setpriority(2), "C library/kernel
/// differences").
fn present() -> libc::c_int {
    // SAFETY: takes no pointers. It cannot fail for the thread itself.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_calling_thread_stands_back() {
        let before = present();
        let other = std::thread::spawn(|| {
            stand_back();
            present()
        });
        assert_eq!((other.join().ok(), present()), (Some((before + NICE).min(19)), before));
    }
}
