//! The frames that were due, whether they were made or not, and how far each viewer has come: latency counts from the time
//! a frame was due (no coordinated omission), and a frame that never arrives counts until a newer one is shown. Pure.

use std::collections::{BTreeMap, HashMap, VecDeque};

use windshield::clock::Micros;

/// So many frames back a stamp may still come: half a minute at 30 frames a second, beyond any resend.
const MEMORY: u64 = 1_024;

/// What became of the frames due while it was measured, each counted once a viewer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Fates {
    /// Times a viewer should have got a frame.
    pub due: u64,
    /// It got it and could show it.
    pub shown: u64,
    /// It got a newer one: this one was lost, or could not be decoded after a loss.
    pub replaced: u64,
    /// Neither, by the end of the run.
    pub never: u64,
}

/// See the file.
#[derive(Debug)]
pub struct Ledger {
    /// Microseconds from frame to frame.
    period: u64,
    /// When frames `first..` were due.
    due: VecDeque<Micros>,
    first: u64,
    /// By RTP timestamp.
    numbers: HashMap<u32, u64>,
    /// Frames due from here on to there are measured.
    window: Option<(Micros, Micros)>,
    /// For each viewer: all frames before this number are behind it.
    next: Vec<u64>,
    fates: Fates,
}

impl Ledger {
    /// Nothing yet.
    pub fn new(period: u64, viewers: usize) -> Self {
        Self {
            period,
            due: VecDeque::new(),
            first: 0,
            numbers: HashMap::new(),
            window: None,
            next: vec![0; viewers],
            fates: Fates::default(),
        }
    }

    /// Frames due from now on are measured, for so many microseconds; says until when. Begins half a period behind the
    /// newest frame, so that the number of frames does not hang on rounding.
    pub fn measure(&mut self, us: u64) -> Micros {
        let begin = self.due.back().map_or(0, |last| last.0 + self.period / 2);
        self.window = Some((Micros(begin), Micros(begin + us)));
        Micros(begin + us)
    }

    /// A frame is made. Those that were left out before it (a source that could not keep up) were due all the same.
    pub fn made(&mut self, due: Micros) {
        self.fill(Micros(due.0.saturating_sub(self.period / 2)));
        self.numbers.insert(due.rtp_90khz(), self.first + self.due.len() as u64);
        self.due.push_back(due);
        let behind = self.next.iter().copied().min().unwrap_or(0);
        while self.first < behind && self.due.len() as u64 > MEMORY {
            if let Some(old) = self.due.pop_front() {
                self.numbers.remove(&old.rtp_90khz());
            }
            self.first += 1;
        }
    }

    /// Enters what should have been made before `until`.
    fn fill(&mut self, until: Micros) {
        while let Some(missed) = self.due.back().map(|last| Micros(last.0 + self.period)).filter(|m| *m < until) {
            self.due.push_back(missed);
        }
    }

    /// Whether a frame is one to be measured.
    pub fn is_measured(&self, due: Micros) -> bool {
        self.window.is_some_and(|(begin, end)| (begin..end).contains(&due))
    }

    /// `viewer` can show the frame with this timestamp: how long that took, for each frame which that settles.
    pub fn shown(&mut self, viewer: usize, rtp_time: u32, at: Micros, mut took: impl FnMut(u64)) {
        let Some(&number) = self.numbers.get(&rtp_time).filter(|n| **n >= self.next[viewer]) else { return };
        for n in self.next[viewer].max(self.first)..=number {
            let due = self.due[(n - self.first) as usize];
            if self.is_measured(due) {
                took(at.since(due).as_micros() as u64);
                self.fates.due += 1;
                *(if n == number { &mut self.fates.shown } else { &mut self.fates.replaced }) += 1;
            }
        }
        self.next[viewer] = number + 1;
    }

    /// Whether every viewer has shown a frame.
    pub fn all_see(&self) -> bool {
        self.next.iter().all(|next| *next > 0)
    }

    /// How many have not.
    pub fn blind(&self) -> usize {
        self.next.iter().filter(|next| **next == 0).count()
    }

    /// Whether every viewer has shown a frame from behind the window, so that none in it is open.
    pub fn is_settled(&self) -> bool {
        let Some((_, end)) = self.window else { return false };
        let next = self.next.iter().copied().min().unwrap_or(0);
        next > self.first && self.due.get((next - 1 - self.first) as usize).is_some_and(|due| *due >= end)
    }

    /// The run ends here: what was due and is not settled took at least until now.
    pub fn close(&mut self, at: Micros, mut took: impl FnMut(u64)) -> Fates {
        if let Some((_, end)) = self.window {
            self.fill(end);
        }
        for next in self.next.clone() {
            for n in next.max(self.first)..self.first + self.due.len() as u64 {
                let due = self.due[(n - self.first) as usize];
                if self.is_measured(due) {
                    took(at.since(due).as_micros() as u64);
                    self.fates.due += 1;
                    self.fates.never += 1;
                }
            }
        }
        self.fates
    }
}

/// Two halves that find each other by RTP timestamp, whichever comes first; what stays alone is forgotten in time.
#[derive(Debug)]
pub struct Halves<A, B> {
    waiting: BTreeMap<u32, (Option<A>, Option<B>)>,
    order: VecDeque<u32>,
}

impl<A, B> Default for Halves<A, B> {
    fn default() -> Self {
        Self { waiting: BTreeMap::new(), order: VecDeque::new() }
    }
}

impl<A, B> Halves<A, B> {
    /// One half; both, once both are there.
    pub fn join(&mut self, rtp_time: u32, a: Option<A>, b: Option<B>) -> Option<(A, B)> {
        if !self.waiting.contains_key(&rtp_time) {
            self.order.push_back(rtp_time);
        }
        let entry = self.waiting.entry(rtp_time).or_default();
        entry.0 = a.or(entry.0.take());
        entry.1 = b.or(entry.1.take());
        while self.order.len() as u64 > MEMORY {
            if let Some(old) = self.order.pop_front().filter(|old| *old != rtp_time) {
                self.waiting.remove(&old);
            }
        }
        match self.waiting.get(&rtp_time) {
            Some((Some(_), Some(_))) => match self.waiting.remove(&rtp_time) {
                Some((Some(a), Some(b))) => Some((a, b)),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames due at 10, 20, .. ms; those at 20 to 50 ms are measured.
    fn ledger(made: &[u64]) -> Ledger {
        let mut ledger = Ledger::new(10_000, 1);
        for ms in made {
            ledger.made(Micros(ms * 1_000));
            if *ms == 10 {
                assert_eq!(ledger.measure(40_000), Micros(55_000));
            }
        }
        ledger
    }

    fn show(ledger: &mut Ledger, ms: u64, at: u64) -> Vec<u64> {
        let mut took = Vec::new();
        ledger.shown(0, Micros(ms * 1_000).rtp_90khz(), Micros(at * 1_000), |us| took.push(us / 1_000));
        took
    }

    #[test]
    fn a_lost_frame_takes_until_a_newer_one_is_shown() {
        let mut ledger = ledger(&[10, 20, 30, 40, 50, 60]);
        assert!(show(&mut ledger, 10, 11).is_empty());
        assert_eq!(show(&mut ledger, 20, 23), [3]);
        assert_eq!(show(&mut ledger, 50, 51), [21, 11, 1]);
        assert!(show(&mut ledger, 40, 52).is_empty(), "an older frame that comes late changes nothing");
        assert!(!ledger.is_settled(), "not before one from behind the window is shown");
        show(&mut ledger, 60, 61);
        assert!(ledger.is_settled());
        assert_eq!(ledger.close(Micros(99_000), |_| ()), Fates { due: 4, shown: 2, replaced: 2, never: 0 });
    }

    #[test]
    fn a_frame_that_was_not_made_was_due_all_the_same() {
        let mut ledger = ledger(&[10, 20, 50]);
        assert_eq!(show(&mut ledger, 20, 21), [1]);
        assert_eq!(show(&mut ledger, 50, 51), [21, 11, 1]);
    }

    #[test]
    fn what_never_comes_takes_until_the_end() {
        let mut ledger = ledger(&[10, 20, 30]);
        show(&mut ledger, 20, 21);
        assert!(!ledger.is_settled());
        let mut took = Vec::new();
        let fates = ledger.close(Micros(100_000), |us| took.push(us / 1_000));
        assert_eq!((took, fates.never, fates.due), (vec![70, 60, 50], 3, 4));
    }

    #[test]
    fn halves_meet_in_either_order() {
        let mut halves = Halves::default();
        assert_eq!(halves.join(7, Some('a'), None::<u8>), None);
        assert_eq!(halves.join(8, None, Some(8)), None);
        assert_eq!(halves.join(7, None, Some(7)), Some(('a', 7)));
        assert_eq!(halves.join(8, Some('b'), None), Some(('b', 8)));
    }
}
