//! Wishes of many viewers for a keyframe -> few orders to the source. A keyframe is five to ten times a normal frame
//! and delays everyone's next pictures, so wishes are merged, spaced, and repeated only while one stays unanswered.
//! Pure; `viewers` calls it.

use std::time::{Duration, Instant};

/// Two keyframes are at least this far apart, whoever wishes: at 30 fps one frame in nine, under which the bitrate of a
/// small encoder still holds.
const SPACING: Duration = Duration::from_millis(300);

/// The same for one who has just joined: it has no picture at all, so it waits less.
const SPACING_FOR_JOINERS: Duration = Duration::from_millis(100);

/// An order that brought no keyframe for this long is given again.
const REPEAT: Duration = Duration::from_millis(500);

/// Why a keyframe is wished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A viewer lost something (PLI, FIR, its watchdog, a full socket).
    Lost,
    /// A viewer has nothing yet.
    Joined,
}

/// Merges and spaces wishes.
#[derive(Debug, Default)]
pub struct Keyframes {
    wish: Option<(Why, Instant)>,
    ordered: Option<Instant>,
    last: Option<Instant>,
}

impl Keyframes {
    /// Somebody needs a keyframe.
    pub fn wish(&mut self, now: Instant, why: Why) {
        let (before, since) = self.wish.unwrap_or((why, now));
        self.wish = Some((before.max(why), since));
    }

    /// A keyframe went by: whoever wished has it, or was too late and wishes again.
    pub fn passed(&mut self, now: Instant) {
        *self = Self { wish: None, ordered: None, last: Some(now) };
    }

    /// Nobody is left who wished, or the source has said it cannot.
    pub fn forget(&mut self) {
        (self.wish, self.ordered) = (None, None);
    }

    /// When [`Self::take_order`] next has something to say.
    pub fn due(&self) -> Option<Instant> {
        let (why, since) = self.wish?;
        let spacing = match why {
            Why::Lost => SPACING,
            Why::Joined => SPACING_FOR_JOINERS,
        };
        let spaced = self.last.map_or(since, |at| at + spacing);
        let repeated = self.ordered.map_or(since, |at| at + REPEAT);
        Some(since.max(spaced).max(repeated))
    }

    /// Whether an order is to be given now; it counts as given.
    pub fn take_order(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|at| at <= now);
        if due {
            self.ordered = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_first_wish_is_an_order_at_once_and_the_next_ones_are_the_same_order() {
        let now = Instant::now();
        let mut keyframes = Keyframes::default();
        assert!(!keyframes.take_order(now));
        for _ in 0..50 {
            keyframes.wish(now, Why::Joined);
        }
        assert!(keyframes.take_order(now));
        assert!(!keyframes.take_order(now + 10 * MS));
    }

    #[test]
    fn an_order_without_a_keyframe_is_repeated_and_a_keyframe_ends_it() {
        let now = Instant::now();
        let mut keyframes = Keyframes::default();
        keyframes.wish(now, Why::Lost);
        assert!(keyframes.take_order(now));
        assert_eq!(keyframes.due(), Some(now + REPEAT));
        assert!(keyframes.take_order(now + REPEAT));
        keyframes.passed(now + REPEAT);
        assert_eq!(keyframes.due(), None);
    }

    #[test]
    fn a_storm_of_wishes_makes_at_most_one_keyframe_per_spacing_and_a_joiner_waits_less() {
        let start = Instant::now();
        let mut keyframes = Keyframes::default();
        let mut orders = 0;
        for ms in 0..3_000 {
            let now = start + ms * MS;
            keyframes.wish(now, Why::Lost);
            if keyframes.take_order(now) {
                orders += 1;
                keyframes.passed(now);
            }
        }
        assert_eq!(orders, 10, "3 s at one per 300 ms");
        keyframes.wish(start + 3_000 * MS, Why::Lost);
        keyframes.wish(start + 3_000 * MS, Why::Joined);
        assert!(keyframes.due() <= Some(start + 3_000 * MS));
    }
}
