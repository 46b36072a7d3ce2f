//! What can be wrong with a stream from elsewhere, and the sentence that a person reads about it on the page and in the
//! log: what happened, and what to do. Pure; `pipe` finds out which of them it is.

use std::fmt;
use std::process::ExitStatus;
use std::time::Duration;

use crate::message::Severity;

/// What is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing.
    None,
    /// The program has ended, and will be started again after this time.
    Waiting { ended: String, wait: Duration },
    /// It is being ended to be started with other settings.
    Replaced,
    /// It was, and has not sent a picture yet.
    StartedAgain,
    /// No more will come.
    Ended,
    /// Not a byte for a while.
    Silent,
    /// Bytes, but no H.264.
    Foreign,
    /// H.264, but nothing to begin with for a while.
    NoKeyframes,
    /// Keyframes whose parameter sets never came.
    BareKeyframes,
    /// More frames than were taken.
    Flood,
    /// The end of a picture shows only when the next begins.
    Late,
}

/// Who sends the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    Program,
    Rpicam,
    Stdin,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Program => "the camera program",
            Self::Rpicam => "rpicam-vid",
            Self::Stdin => "the stream on standard input",
        })
    }
}

impl Trouble {
    /// No picture came for a while, and why is known as far as it can be.
    pub(super) fn is_about_silence(&self) -> bool {
        matches!(self, Self::Silent | Self::Foreign | Self::NoKeyframes | Self::BareKeyframes)
    }

    pub(super) fn sentence(&self, who: Subject) -> Option<(Severity, String)> {
        let (severity, sentence) = match self {
            Self::None => return None,
            Self::Waiting { ended, wait } => {
                (Severity::Fault, format!("{ended}; starting it again in {} s", wait.as_secs_f32()))
            }
            Self::Replaced => (
                Severity::Info,
                format!("{who} takes no orders while it runs: starting it again with the new settings"),
            ),
            Self::StartedAgain => (Severity::Info, format!("{who} was started again; waiting for its first picture")),
            Self::Ended => (Severity::Fault, format!("{who} has ended; start windshield again with a new one")),
            Self::Silent => (
                Severity::Fault,
                format!("{who} has sent nothing for 5 s; check that the camera works and that the output is \"-\""),
            ),
            Self::Foreign => (
                Severity::Fault,
                format!(
                    "{who} is no raw H.264 (Annex B byte stream): for rpicam-vid use --codec h264, for ffmpeg -f h264"
                ),
            ),
            Self::NoKeyframes => (
                Severity::Fault,
                format!(
                    "{who} has had no keyframe (IDR picture) for 5 s, and a picture can begin nowhere else: \
                     for rpicam-vid add --intra 60"
                ),
            ),
            Self::BareKeyframes => (
                Severity::Fault,
                format!(
                    "{who} has keyframes without parameter sets, which nobody can decode: for rpicam-vid add --inline"
                ),
            ),
            Self::Flood => (
                Severity::Warning,
                format!(
                    "pictures piled up and were dropped up to a keyframe: \
                     {who} comes faster than it should (for ffmpeg add -re)"
                ),
            ),
            Self::Late => (
                Severity::Warning,
                format!(
                    "the picture is one frame late: {who} is not flushed after each frame (for rpicam-vid add --flush)"
                ),
            ),
        };
        Some((severity, sentence))
    }
}

/// How the program ended, as half a sentence. `by_us`: it had closed its output before and was told to end.
pub(super) fn how_it_ended(who: Subject, status: Option<ExitStatus>, by_us: bool) -> String {
    let Some(status) = status else { return format!("{who} closed its output and cannot be ended") };
    // "exit status: 1", "signal: 9 (SIGKILL)"
    let how = status.to_string().replacen(": ", " ", 1);
    match status.code() {
        _ if by_us => format!("{who} closed its output and was ended ({how})"),
        Some(127) if who == Subject::Rpicam => format!("{who} was not found ({how}; sudo apt install rpicam-apps)"),
        Some(127) => format!("{who} was not found ({how}; check the command behind --source pipe:)"),
        Some(126) => format!("{who} may not be executed ({how}; check the command behind --source pipe:)"),
        _ if who == Subject::Rpicam => {
            format!(
                "{who} ended ({how}; it says why in the log, and rpicam-hello --list-cameras whether it sees a camera)"
            )
        }
        _ => format!("{who} ended ({how})"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn the_end_of_a_program_is_told_with_status_or_signal_and_the_next_attempt() {
        let say = |raw: i32| {
            let ended = how_it_ended(Subject::Program, Some(ExitStatus::from_raw(raw)), false);
            Trouble::Waiting { ended, wait: Duration::from_millis(500) }.sentence(Subject::Program)
        };
        let fault = |text: &str| Some((Severity::Fault, text.to_owned()));
        assert_eq!(say(1 << 8), fault("the camera program ended (exit status 1); starting it again in 0.5 s"));
        assert_eq!(say(9), fault("the camera program ended (signal 9 (SIGKILL)); starting it again in 0.5 s"));
        let missing = say(127 << 8).map(|(_, sentence)| sentence).unwrap_or_default();
        assert!(missing.contains("was not found") && missing.contains("--source pipe:"), "{missing}");
    }

    #[test]
    fn every_trouble_names_who_is_meant() {
        use Trouble::*;
        for trouble in [Replaced, StartedAgain, Ended, Silent, Foreign, NoKeyframes, BareKeyframes, Flood, Late] {
            for who in [Subject::Program, Subject::Rpicam, Subject::Stdin] {
                let sentence = trouble.sentence(who).map(|(_, sentence)| sentence).unwrap_or_default();
                assert!(sentence.contains(&who.to_string()), "{sentence}");
            }
        }
        assert_eq!(None.sentence(Subject::Stdin), Option::None);
    }
}
