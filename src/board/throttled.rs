//! What the firmware of a Raspberry Pi tells of power and heat: one number with a bit for each trouble. Pure; `board`
//! tells it to viewers while the program runs, `doctor` judges it before.

/// The number of `vcgencmd get_throttled` (Raspberry Pi documentation, "vcgencmd"). Bits 0 to 3 are now, bits 16 to 19
/// the same some time before: since boot, or since whoever cleared them last, which `raspberrypi-hwmon` does every 2 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled(pub u32);

/// From here up: what was.
const BEFORE: u32 = 16;

impl Throttled {
    /// Reads `50005` or `0x50005`, as the kernel or vcgencmd writes it.
    pub fn parse(text: &str) -> Option<Self> {
        u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok().map(Self)
    }

    /// The supply is below 4.63 V.
    pub fn undervoltage(self) -> bool {
        self.0 & 1 != 0
    }

    /// The clock is held below its maximum.
    pub fn clock_capped(self) -> bool {
        self.0 & 2 != 0
    }

    /// The processor is slowed down.
    pub fn throttled(self) -> bool {
        self.0 & 4 != 0
    }

    /// At the soft limit of its temperature.
    pub fn too_warm(self) -> bool {
        self.0 & 8 != 0
    }

    /// What was, as if it were now.
    #[must_use]
    pub fn before(self) -> Self {
        Self(self.0 >> BEFORE)
    }

    /// What is so now, in words with commas between; empty when all is well.
    pub fn names(self) -> String {
        let names = [
            (self.undervoltage(), "undervoltage"),
            (self.clock_capped(), "clock capped"),
            (self.throttled(), "throttled"),
            (self.too_warm(), "too warm"),
        ];
        names.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_the_number_are_understood() {
        for text in ["50005\n", "0x50005"] {
            assert_eq!(Throttled::parse(text), Some(Throttled(0x5_0005)));
        }
        assert_eq!((Throttled::parse(""), Throttled::parse("no")), (None, None));
        let bits = Throttled(0x9_0006);
        assert_eq!(
            (bits.names().as_str(), bits.before().names().as_str()),
            ("clock capped, throttled", "undervoltage, too warm")
        );
    }
}
