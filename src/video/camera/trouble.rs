//! What a person should know of a camera that runs or does not: its fault, or that nothing it sends can be shown. `feed`
//! finds out which; here it becomes a sentence.

use super::health::{Fault, Sentence};

/// What a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    Fault(Fault),
    /// Frames come, but no keyframe to begin with.
    NoKeyframes,
    /// Keyframes come, but nobody can decode them.
    BareKeyframes,
}

impl Trouble {
    /// What is said about the device of this name; None if all is well.
    pub(super) fn sentence(&self, path: &str) -> Option<String> {
        match self {
            Self::None => None,
            Self::Fault(fault) => Some(Sentence(path, fault).to_string()),
            Self::NoKeyframes => Some(format!(
                "the camera {path} sends no keyframe, and a picture can begin nowhere else; asking for one"
            )),
            Self::BareKeyframes => {
                Some(format!("the camera {path} sends keyframes without parameter sets, which nobody can decode"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_is_a_sentence_that_names_the_camera() {
        for trouble in [Trouble::Fault(Fault::Starved), Trouble::NoKeyframes, Trouble::BareKeyframes] {
            let sentence = trouble.sentence("/dev/video7").unwrap_or_default();
            assert!(sentence.contains("/dev/video7"), "{trouble:?}: {sentence}");
        }
        assert_eq!(Trouble::None.sentence("/dev/video7"), None);
    }
}
