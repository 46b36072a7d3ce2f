//! The pipe with real programs run by a real shell, in a small loop of its own. Its time is not the clock's: it stands
//! while a program has something to do and leaps to the next deadline when there is nothing to wait for but time, so that
//! a machine that stalls changes nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use mio::{Events, Poll, Waker};

use super::super::access_unit::tests::{PPS, SPS, idr, p};
use super::super::leaving::Step;
use super::super::scratch::Scratch;
use super::*;

/// Far beyond anything these programs need.
const DEADLINE: Duration = Duration::from_secs(300);

/// Between two looks at a program that is busy, in real time.
const GLANCE: Duration = Duration::from_millis(2);

/// What `run` does, for one pipe.
struct Loop {
    poll: Poll,
    pipe: Pipe,
    now: Instant,
    frames: Vec<(Vec<u8>, bool)>,
    /// Everything that was ever said.
    notices: Vec<String>,
}

impl Loop {
    fn new(command: &str) -> Self {
        let poll = Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), Token(9)).unwrap());
        let wakeup = Wakeup { registry: poll.registry(), token: Token(0), waker };
        let now = Instant::now();
        let pipe = Pipe::command(command, &wakeup, now).unwrap();
        Self { poll, pipe, now, frames: Vec::new(), notices: Vec::new() }
    }

    fn turn(&mut self) {
        let mut events = Events::with_capacity(4);
        // First this, then the look at what has come: nothing comes after it.
        let settled = self.is_settled();
        let wait = if settled || self.pipe.more() { Duration::ZERO } else { GLANCE };
        match self.poll.poll(&mut events, Some(wait)) {
            // Whoever stops and continues this process interrupts the wait.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            other => other.unwrap(),
        }
        if !events.is_empty() || self.pipe.more() {
            self.pipe.handle_ready(self.now);
        } else if settled && let Some(at) = self.pipe.poll_timeout() {
            self.now = self.now.max(at);
        }
        let now = self.now;
        self.pipe.handle_timeout(now);
        let frames = &mut self.frames;
        while self.pipe.lend(now, &mut |frame| frames.push((frame.bytes.to_vec(), frame.keyframe))) {}
        if let Some((_, sentence)) = self.pipe.notice()
            && self.notices.last().is_none_or(|last| last != sentence)
        {
            self.notices.push(sentence.to_owned());
        }
    }

    /// Nothing will happen but by time: the program sleeps as its last deed, lives on without its output, or is dead.
    fn is_settled(&self) -> bool {
        match &self.pipe.state {
            State::Running { group, .. } => {
                let leader = group.as_ref().unwrap().id();
                fs::read_to_string(format!("/proc/{leader}/comm")).is_ok_and(|name| name.trim() == "sleep")
            }
            State::Leaving(leaving) => {
                let state = state_of(leaving.group.id());
                matches!(state, None | Some('Z' | 'X')) || (leaving.step == Step::Exit && state == Some('S'))
            }
            State::Waiting { .. } | State::Ended => true,
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !done(self) {
            assert!(Instant::now() < deadline, "{what}; said {:?}, {} frames", self.notices, self.frames.len());
            self.turn();
        }
    }

    fn until_said(&mut self, words: &str) {
        self.until(words, |this| this.notices.iter().any(|sentence| sentence.contains(words)));
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.pipe.close();
    }
}

fn stream() -> Vec<Vec<u8>> {
    let key = [SPS, PPS, &idr(5000)].concat();
    vec![key, p(3000), p(20), p(9000), p(700), p(4096), p(31)]
}

fn quote(path: &Path) -> String {
    format!("'{}'", path.display())
}

fn lent(frames: &[(Vec<u8>, bool)]) -> Vec<usize> {
    frames.iter().map(|(bytes, _)| bytes.len()).collect()
}

/// R, S, Z and so on (proc_pid_stat(5)); None if there is no such process.
fn state_of(pid: impl std::fmt::Display) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim_start().chars().next()
}

/// Ended, whether or not somebody has buried it.
fn is_dead(pid: &str) -> bool {
    matches!(state_of(pid), None | Some('Z' | 'X'))
}

#[test]
fn what_a_program_writes_comes_out_as_pictures_the_last_one_included() {
    let scratch = Scratch::new();
    let file = quote(&scratch.file("a.h264", &stream().concat()));
    let whole: Vec<_> = stream().iter().map(Vec::len).collect();
    for command in [
        format!("cat {file}; exec sleep 1000"),
        format!("head -c 5007 {file}; tail -c +5008 {file}; exec sleep 1000"),
        format!("dd if={file} bs=1 status=none; exec sleep 1000"),
        format!("dd if={file} bs=777 status=none; exec sleep 1000"),
    ] {
        let mut it = Loop::new(&command);
        it.until(&command, |it| it.frames.len() == whole.len());
        assert_eq!(lent(&it.frames), whole, "{command}");
        assert!(it.frames[0].1 && !it.frames[1].1);
        assert_eq!((it.pipe.stats().state, it.pipe.notice()), ("running", None));
    }
}

#[test]
fn a_program_that_ends_is_started_again_and_the_sentence_says_how_it_ended_and_when() {
    let scratch = Scratch::new();
    let file = quote(&scratch.file("a.h264", &stream().concat()));
    let second = quote(&scratch.path("second"));
    let mut it = Loop::new(&format!("if [ -e {second} ]; then cat {file}; exec sleep 1000; fi; : > {second}; exit 3"));
    it.until("it runs", |it| it.frames.len() == stream().len());
    assert_eq!(it.notices[0], "the camera program ended (exit status 3); starting it again in 0.5 s");
    assert!(it.notices.iter().any(|sentence| sentence.contains("started again")), "{:?}", it.notices);
    assert_eq!(it.pipe.notice(), None, "all is well");
    assert_eq!((it.pipe.stats().restarts, it.pipe.stats().state), (1, "running"));
}

#[test]
fn the_last_picture_of_a_program_that_ended_is_still_shown() {
    let scratch = Scratch::new();
    let file = quote(&scratch.file("a.h264", &stream().concat()));
    let mut it = Loop::new(&format!("cat {file}"));
    it.until_said("exit status 0");
    assert_eq!(lent(&it.frames), stream().iter().map(Vec::len).collect::<Vec<_>>());
    assert_eq!(it.pipe.stats().state, "waiting");
}

#[test]
fn a_program_that_does_not_exist_is_said_to() {
    let mut it = Loop::new("windshield-has-no-such-program");
    it.until_said("was not found");
}

#[test]
fn a_program_that_crashes_is_told_by_its_signal() {
    let mut it = Loop::new("kill -SEGV $$");
    it.until_said("signal 11");
}

#[test]
fn programs_that_ended_leave_no_zombies() {
    let scratch = Scratch::new();
    let pids = scratch.path("pids");
    let mut it = Loop::new(&format!("echo $$ >> {}; exit 1", quote(&pids)));
    it.until("two restarts", |it| it.pipe.stats().restarts == 2);
    let first = fs::read_to_string(&pids).unwrap().lines().next().unwrap().to_owned();
    assert!(!Path::new(&format!("/proc/{first}")).exists());
}

#[test]
fn a_program_that_closes_its_output_but_lives_is_ended_and_started_again() {
    let scratch = Scratch::new();
    let pids = scratch.path("pids");
    let mut it = Loop::new(&format!("sleep 1000 > /dev/null & echo $! >> {}; exec >&-; wait", quote(&pids)));
    it.until_said("closed its output and was ended");
    let sleeper = fs::read_to_string(&pids).unwrap().lines().next().unwrap().to_owned();
    it.until("its children ended as well", |_| is_dead(&sleeper));
}

#[test]
fn on_closing_the_whole_group_ends() {
    let scratch = Scratch::new();
    let file = quote(&scratch.file("a.h264", &stream().concat()));
    for trap in ["", "trap '' TERM;"] {
        let pids = scratch.path(if trap.is_empty() { "willing" } else { "stubborn" });
        let out = quote(&pids);
        let mut it = Loop::new(&format!(
            "{trap} sleep 1000 & echo $$ > {out}; echo $! >> {out}; \
             (sleep 1000 & echo $! >> {out}; wait) & cat {file}; exec sleep 1000"
        ));
        it.until("it runs", |it| {
            it.frames.len() == stream().len() && fs::read_to_string(&pids).unwrap().lines().count() == 3
        });
        it.pipe.close();
        for pid in fs::read_to_string(&pids).unwrap().lines() {
            let deadline = Instant::now() + DEADLINE;
            while !is_dead(pid) {
                assert!(Instant::now() < deadline, "{trap} process {pid} lives");
                std::thread::yield_now();
            }
        }
        assert_eq!((it.pipe.stats().state, it.pipe.poll_timeout(), it.pipe.more()), ("ended", None, false));
    }
}

#[test]
fn a_flood_of_text_is_called_no_h264_and_each_turn_takes_a_bounded_bite() {
    let mut it = Loop::new("exec yes 'no camera found'");
    it.until_said("no raw H.264");
    let before = it.pipe.assembler.received();
    it.turn();
    let bite = it.pipe.assembler.received() - before;
    assert!(bite <= (BATCH + (512 << 10)) as u64, "{bite}");
    assert!(it.frames.is_empty());
}

#[test]
fn a_flood_of_pictures_is_thinned_and_said() {
    let scratch = Scratch::new();
    let file = quote(&scratch.file("a.h264", &stream().concat()));
    let mut it = Loop::new(&format!("while :; do cat {file} {file} {file} {file} {file} {file} {file} {file}; done"));
    it.until_said("piled up");
    assert!(it.pipe.stats().dropped > 0);
}

#[test]
fn a_program_that_stays_silent_or_stops_is_said_to() {
    // In virtual time: only the start is real.
    let mut it = Loop::new("exec sleep 1000");
    let now = Instant::now();
    assert_eq!(it.pipe.poll_timeout().map(|at| at <= now + PATIENCE), Some(true));
    it.pipe.handle_timeout(now + PATIENCE);
    let (severity, sentence) = it.pipe.notice().unwrap();
    assert!(severity == Severity::Fault && sentence.contains("sent nothing for 5 s"), "{sentence}");
    assert_eq!(it.pipe.stats().state, "waiting");
}

#[test]
fn pictures_without_a_keyframe_or_its_parameter_sets_are_said_to_lack_them() {
    let scratch = Scratch::new();
    for (bytes, words) in [([p(900), p(900)].concat(), "--intra"), ([idr(900), p(900)].concat(), "--inline")] {
        let file = quote(&scratch.file("a.h264", &bytes));
        let mut it = Loop::new(&format!("cat {file} {file}; exec sleep 1000"));
        it.until("bytes", |it| it.pipe.assembler.received() == 2 * bytes.len() as u64);
        let later = it.pipe.last_frame + PATIENCE;
        it.pipe.last_bytes = later;
        it.pipe.handle_timeout(later);
        let sentence = it.pipe.notice().unwrap().1;
        assert!(sentence.contains(words), "{sentence}");
        assert!(it.frames.is_empty());
    }
}

#[test]
fn a_pipe_takes_no_orders() {
    let mut it = Loop::new("exec sleep 1000");
    for order in [Order::Keyframe, Order::Bitrate(crate::frame::Bitrate(1)), Order::FrameRate(30)] {
        assert!(matches!(it.pipe.order(Instant::now(), order), Obeyed::Cannot(why) if why.contains("no orders")));
    }
    assert!(!it.pipe.stats().keyframes_on_demand);
}
