//! `windshield doctor`: what on this machine keeps the picture from being fast, each with the fix. Pure: [`examine`] turns
//! [`Facts`] into findings, [`report`] turns those into text; what the facts are [`gather`] finds out, the only part that
//! touches the world. Not part of the running program: nothing else calls it, `main` does. A fact that this machine does
//! not have is left out, never an error.

mod board;
mod camera;
pub mod facts;
pub mod gather;
mod network;
pub mod node;
pub mod probe;

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

pub use facts::Facts;

/// What was asked for on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// TCP and UDP port that windshield will use or uses.
    pub port: u16,
    /// Another machine in the same network, to be pinged.
    pub peer: Option<IpAddr>,
    /// Where `windshield doctor --echo PORT` runs, for round trips of datagrams.
    pub udp: Option<SocketAddr>,
    /// Be that other side instead of examining anything.
    pub echo: Option<u16>,
}

/// How bad it is. Ordered: the worst is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works; something costs time or quality, or could not be found out.
    Warning,
    /// It will not work, or not well enough to drive by.
    Fault,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// One word: what it is about.
    pub topic: &'static str,
    /// What was found, with the value.
    pub sentence: String,
    /// What to do about it, one step a line; empty when nothing is to be done.
    pub fix: Vec<String>,
}

impl Finding {
    fn ok(topic: &'static str, sentence: impl Into<String>) -> Self {
        Self { level: Level::Ok, topic, sentence: sentence.into(), fix: Vec::new() }
    }

    fn warning(topic: &'static str, sentence: impl Into<String>, fix: &[&str]) -> Self {
        let fix = fix.iter().map(ToString::to_string).collect();
        Self { level: Level::Warning, topic, sentence: sentence.into(), fix }
    }

    fn fault(topic: &'static str, sentence: impl Into<String>, fix: &[&str]) -> Self {
        Self { level: Level::Fault, ..Self::warning(topic, sentence, fix) }
    }
}

/// Everything that can be said about these facts, in the order in which a picture passes: board, camera, network.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings = board::examine(facts);
    findings.extend(camera::examine(facts));
    findings.extend(network::examine(facts));
    findings
}

/// The findings for a person, 100 columns wide at most where the words allow it, with a sum at the end.
pub fn report(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        let level = match finding.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Fault => "FAULT",
        };
        let _ = writeln!(text, "{level:<8} {:<9} {}", finding.topic, finding.sentence);
        for (index, step) in finding.fix.iter().enumerate() {
            let _ = writeln!(text, "{:<18} {} {step}", "", if index == 0 { "fix:" } else { "    " });
        }
    }
    let count = |level| findings.iter().filter(|finding| finding.level == level).count();
    let (ok, warnings, faults) = (count(Level::Ok), count(Level::Warning), count(Level::Fault));
    let _ = writeln!(text, "\n{ok} ok, {warnings} to look at, {faults} at fault");
    text
}

/// True if something is at fault: the exit code for scripts.
pub fn has_fault(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == Level::Fault)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
