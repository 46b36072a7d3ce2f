//! How far a guess may be believed: only after it was right a number of times in a row, and after each mistake eight
//! times as many. Pure counting; `assembler` keeps one for each way to guess the end of a picture.

/// The record of one way of guessing.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    /// Right so many times since the last mistake.
    run: u32,
    /// So many are asked for.
    wanted: u32,
}

/// A first mistake costs this many right guesses at least: a quarter of a second at 30 frames a second.
const AFTER_A_MISTAKE: u32 = 8;

/// And never more than this, about two minutes at 30 frames a second: programs change their ways.
const MOST: u32 = 4096;

impl Trust {
    /// Trusted after `wanted` right guesses.
    pub(super) fn after(wanted: u32) -> Self {
        Self { run: 0, wanted }
    }

    /// Whether to act on the guess.
    pub(super) fn is_earned(&self) -> bool {
        self.run >= self.wanted
    }

    /// The guess was checked.
    pub(super) fn record(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Right => self.run = self.run.saturating_add(1),
            Verdict::Wrong => {
                // Mistakes in a row, while nobody acts on the guess, are no news.
                if self.run > 0 || self.wanted < AFTER_A_MISTAKE {
                    self.wanted = (self.wanted * 8).clamp(AFTER_A_MISTAKE, MOST);
                }
                self.run = 0;
            }
        }
    }
}

/// What became of a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    Wrong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_is_earned_by_a_run_and_lost_by_one_mistake() {
        let mut trust = Trust::after(2);
        trust.record(Verdict::Right);
        assert!(!trust.is_earned());
        trust.record(Verdict::Right);
        assert!(trust.is_earned());
        trust.record(Verdict::Wrong);
        for _ in 0..15 {
            assert!(!trust.is_earned());
            trust.record(Verdict::Right);
        }
        trust.record(Verdict::Right);
        assert!(trust.is_earned());
    }

    #[test]
    fn mistake_after_mistake_never_asks_for_more_than_the_most() {
        let mut trust = Trust::after(8);
        for _ in 0..100 {
            trust.record(Verdict::Right);
            trust.record(Verdict::Wrong);
        }
        for _ in 0..MOST {
            trust.record(Verdict::Right);
        }
        assert!(trust.is_earned());
    }
}
