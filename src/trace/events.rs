//! Stamps as Chrome's trace events, which <https://ui.perfetto.dev> and `chrome://tracing` open: a process for each viewer,
//! in it a slice for each frame with its stages below. Pure; `file` writes what comes out.

use std::io::{self, Write};

use super::ring::Record;
use crate::clock::Micros;
use crate::frame::Stamps;

/// Writes a whole document ("Trace Event Format", JSON object form). Frames overlap, so they are nestable asynchronous
/// events (phases b and e): one track for each frame, its number on the wire as the id.
///
/// # Errors
/// Those of `out`.
pub fn write(records: &[Record], out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
    let mut viewers: Vec<u32> = Vec::new();
    let mut first = true;
    for Record { viewer, stamps } in records {
        let pid = match viewers.iter().position(|known| known == viewer) {
            Some(at) => at + 1,
            None => {
                viewers.push(*viewer);
                let pid = viewers.len();
                comma(&mut first, out)?;
                write!(
                    out,
                    r#"{{"ph":"M","name":"process_name","pid":{pid},"tid":0,"args":{{"name":"viewer {viewer:08x}"}}}}"#
                )?;
                pid
            }
        };
        let id = stamps.rtp_time;
        let mut event = |phase: char, name: &str, at: Micros| -> io::Result<()> {
            comma(&mut first, out)?;
            write!(
                out,
                r#"{{"ph":"{phase}","cat":"frame","id":"{pid}.{id}","name":"{name}","pid":{pid},"tid":0,"ts":{}}}"#,
                at.0
            )
        };
        let stages = stages(stamps);
        let end = stages.last().map_or(stamps.captured, |(_, _, to)| *to);
        let name = if stamps.sent.is_some() { "frame" } else { "frame, cut short" };
        event('b', name, stamps.captured)?;
        for (stage, from, to) in stages {
            event('b', stage, from)?;
            event('e', stage, to)?;
        }
        event('e', name, end)?;
    }
    out.write_all(b"]}\n")
}

/// The stages that a frame was in; no end before its beginning, whatever a driver's clock says.
fn stages(stamps: &Stamps) -> Vec<(&'static str, Micros, Micros)> {
    let Stamps { captured, encoding, dequeued, packetized, protected, sent, .. } = *stamps;
    let encoded =
        [encoding.map(|at| ("camera", at)), Some((if encoding.is_some() { "encode" } else { "camera" }, dequeued))];
    let ours = [Some(("packetize", packetized)), Some(("protect", protected)), sent.map(|at| ("send", at))];
    let mut from = captured;
    let mut stage = |(name, to): (&'static str, Micros)| {
        let end = to.max(from);
        let begin = std::mem::replace(&mut from, end);
        (name, begin, from)
    };
    encoded.into_iter().chain(ours).flatten().map(&mut stage).collect()
}

fn comma(first: &mut bool, out: &mut impl Write) -> io::Result<()> {
    if std::mem::take(first) { Ok(()) } else { out.write_all(b",\n") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn stamps(rtp_time: u32) -> Stamps {
        Stamps {
            rtp_time,
            captured: Micros(1_000),
            encoding: Some(Micros(2_000)),
            dequeued: Micros(7_000),
            packetized: Micros(7_100),
            protected: Micros(7_300),
            sent: Some(Micros(7_350)),
        }
    }

    fn events(records: &[Record]) -> Vec<serde_json::Value> {
        let mut text = Vec::new();
        write(records, &mut text).unwrap();
        let document: serde_json::Value = serde_json::from_slice(&text).unwrap();
        document["traceEvents"].as_array().unwrap().clone()
    }

    #[test]
    fn each_frame_is_a_slice_with_its_stages_below_and_each_viewer_a_process() {
        let cut = Stamps { encoding: None, sent: None, captured: Micros(7_050), ..stamps(6) };
        let events = events(&[
            Record { viewer: 0xdea5_fb4b, stamps: stamps(5) },
            Record { viewer: 7, stamps: stamps(5) },
            Record { viewer: 7, stamps: cut },
        ]);
        let names: Vec<_> = events.iter().filter(|e| e["ph"] == "M").map(|e| &e["args"]["name"]).collect();
        assert_eq!(names, ["viewer dea5fb4b", "viewer 00000007"]);
        let of = |id: &str| -> Vec<(String, String, u64)> {
            let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
            let all = events.iter().filter(|e| e["id"] == id);
            all.map(|e| (word(&e["ph"]), word(&e["name"]), e["ts"].as_u64().unwrap())).collect()
        };
        let begun: Vec<_> = of("1.5").into_iter().filter(|e| e.0 == "b").map(|e| (e.1, e.2)).collect();
        let wanted = [
            ("frame", 1_000),
            ("camera", 1_000),
            ("encode", 2_000),
            ("packetize", 7_000),
            ("protect", 7_100),
            ("send", 7_300),
        ];
        assert_eq!(begun, wanted.map(|(name, at)| (name.to_owned(), at)));
        let ended: Vec<_> = of("1.5").into_iter().filter(|e| e.0 == "e").map(|e| e.2).collect();
        assert_eq!(ended, [2_000, 7_000, 7_100, 7_300, 7_350, 7_350]);
        assert_eq!(of("2.5").len(), 12);
        // The driver's clock was ahead by 50 us: nothing ends before it begins, and what was not sent has no `send`.
        let cut = of("2.6");
        assert_eq!(cut[1..3], [("b".into(), "camera".into(), 7_050), ("e".into(), "camera".into(), 7_050)]);
        assert_eq!(cut.last(), Some(&("e".into(), "frame, cut short".into(), 7_300)));
        assert!(cut.iter().all(|e| e.1 != "send"));
    }

    #[test]
    fn nothing_recorded_is_a_document_all_the_same() {
        assert!(events(&[]).is_empty());
    }
}
