//! The pictures inside an encoder, found again by the time stamps that it copies from what goes in to what comes out
//! (V4L2_BUF_FLAG_TIMESTAMP_COPY): when each was taken, and when it was given. Pure; `coder` tells and asks.

use std::collections::VecDeque;

use super::super::v4l2::ring::{Clock, Filled};
use crate::clock::Micros;

/// Some encoders swallow a picture now and then: more than can be inside and behind it are not remembered.
const MOST: usize = 8;

/// A picture that was given to the encoder.
#[derive(Debug, Clone, Copy)]
struct Given {
    captured: Micros,
    at: Micros,
}

/// All that may still come out, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Inside(VecDeque<Given>);

impl Inside {
    /// The picture taken at `captured`, which is its stamp inside, was given at `at`.
    pub(super) fn give(&mut self, captured: Micros, at: Micros) {
        if self.0.len() >= MOST {
            self.0.pop_front();
        }
        self.0.push_back(Given { captured, at });
    }

    /// A coded frame with its stamps as they are by our clock; nothing is known of one that bears no picture's stamp.
    pub(super) fn recognise(&mut self, coded: Filled) -> Filled {
        let place = self.0.iter().position(|given| given.captured == coded.stamp);
        match place.and_then(|place| self.0.remove(place)) {
            Some(given) => Filled { clock: Clock::Ours, encoding: Some(given.at), ..coded },
            None => Filled { clock: Clock::Unknown, encoding: None, ..coded },
        }
    }

    /// The encoder was stopped: nothing is inside.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(stamp: u64) -> Filled {
        Filled {
            index: 0,
            start: 0,
            end: 9,
            capacity: 9,
            sequence: 0,
            stamp: Micros(stamp),
            clock: Clock::Copied,
            encoding: None,
            broken: false,
            last: false,
        }
    }

    #[test]
    fn a_frame_is_found_by_its_stamp_whatever_was_swallowed_before_it() {
        let mut inside = Inside::default();
        for n in 1..=3 {
            inside.give(Micros(n * 100), Micros(n * 100 + 7));
        }
        let found = inside.recognise(coded(300));
        assert_eq!((found.clock, found.stamp, found.encoding), (Clock::Ours, Micros(300), Some(Micros(307))));
        assert_eq!(inside.recognise(coded(100)).encoding, Some(Micros(107)), "even if they change places");
    }

    #[test]
    fn a_stamp_that_no_picture_had_is_no_time_at_all() {
        let mut inside = Inside::default();
        inside.give(Micros(100), Micros(107));
        for stamp in [0, 99, 101, u64::MAX] {
            let found = inside.recognise(coded(stamp));
            assert_eq!((found.clock, found.encoding), (Clock::Unknown, None), "{stamp}");
        }
        inside.clear();
        assert_eq!(inside.recognise(coded(100)).encoding, None, "stopped");
    }

    #[test]
    fn an_encoder_that_swallows_everything_costs_no_memory() {
        let mut inside = Inside::default();
        (0..1_000).for_each(|n| inside.give(Micros(n), Micros(n)));
        assert_eq!(inside.0.len(), MOST);
        assert_eq!(inside.recognise(coded(999)).encoding, Some(Micros(999)));
    }
}
