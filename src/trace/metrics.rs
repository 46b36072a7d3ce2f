//! `/metrics`: the counters as Prometheus reads them, in its text format 0.0.4. Pure: values in, text out; `run` answers
//! with it. The format is a few lines; the crates for it keep registries of atomics of their own beside our counters.
//! Base units (seconds, bytes), few labels, no series that a viewer's name would multiply.

use std::borrow::Cow;
use std::fmt::{Display, Write};

use super::{Durations, Stage, Stages, Stats, ViewerStats};

/// Upper edges of the buckets in microseconds: from a stage's own size (tens of microseconds) over the promise (100 ms)
/// to what is no driving any more.
const EDGES_US: [u64; 13] =
    [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000];

/// The whole document.
pub fn metrics(stats: &Stats, stages: &Stages) -> String {
    // 11 kB today: one allocation, and not ten on the way there.
    let mut page = Page(String::with_capacity(16 * 1024));
    page.head("build_info", "gauge", "Which program this is; always 1.");
    page.value("build_info", &[("version", stats.version), ("build", &stats.build)], 1);
    page.one("uptime_seconds", "gauge", "Time since the start of the program.", stats.uptime_s);
    source(stats, &mut page);
    link(stats, &mut page);
    viewers(stats, &mut page);
    board(stats, &mut page);
    page.head(
        "stage_duration_seconds",
        "histogram",
        "How long frames were in each stage; car is from capture to sent.",
    );
    for stage in Stage::ALL {
        page.histogram("stage_duration_seconds", ("stage", stage.name()), stages.since_start(stage));
    }
    page.0
}

fn source(stats: &Stats, page: &mut Page) {
    let source = &stats.source;
    page.head("source_running", "gauge", "Whether pictures come, by the name of the source.");
    page.value("source_running", &[("source", &source.name)], u8::from(source.state == "running"));
    page.one("source_frames_total", "counter", "Frames delivered by the source.", source.frames);
    page.one("source_keyframes_total", "counter", "Keyframes among them.", source.keyframes);
    page.one("source_bytes_total", "counter", "Bytes of those frames.", source.bytes);
    page.one("source_dropped_total", "counter", "Frames thrown away before anyone saw them.", source.dropped);
    page.one("source_restarts_total", "counter", "Times the source was started again.", source.restarts);
}

fn link(stats: &Stats, page: &mut Page) {
    let link = &stats.link;
    let counters = [
        ("datagrams_received_total", "Datagrams received.", link.datagrams_in),
        ("datagrams_unknown_total", "Datagrams received that belong to nobody.", link.datagrams_in_unknown),
        ("datagrams_sent_total", "Datagrams the kernel took.", link.datagrams_out),
        ("sent_bytes_total", "Bytes of those, UDP payload.", link.bytes_out),
        ("send_calls_total", "System calls that sent them.", link.send_calls),
        ("send_blocked_total", "Times the socket was full; the rest of that frame was dropped.", link.blocked),
        ("send_errors_total", "Datagrams the kernel refused for another reason.", link.send_errors),
        ("keyframe_wishes_total", "Times a viewer wished for a keyframe.", link.keyframe_wishes),
        ("keyframe_orders_total", "Keyframes ordered from the source.", link.keyframe_orders),
        ("messages_unknown_total", "Data channel messages that were not understood.", link.messages_unknown),
        ("viewers_admitted_total", "Viewers admitted.", link.viewers_admitted),
        ("viewers_gone_total", "Viewers gone.", link.viewers_gone),
        ("frames_sent_total", "Frames sent, times viewers.", link.sent.frames),
        ("keyframes_sent_total", "Keyframes among them.", link.sent.keyframes),
        ("frames_dropped_total", "Frames not or not wholly sent, times viewers.", link.sent.frames_dropped),
        ("rtp_packets_sent_total", "RTP payloads written.", link.sent.packets),
        ("rtp_sent_bytes_total", "Bytes of those.", link.sent.bytes),
        ("nacks_total", "Packets that viewers asked for again.", link.sent.nacks),
        ("plis_total", "Picture loss indications of viewers.", link.sent.plis),
        ("firs_total", "Full intra requests of viewers.", link.sent.firs),
    ];
    for (name, help, value) in counters {
        page.one(name, "counter", help, value);
    }
}

fn viewers(stats: &Stats, page: &mut Page) {
    page.head("viewers", "gauge", "Viewers that are there now, by how far they are.");
    for state in ["connecting", "securing", "waiting", "live"] {
        let count = stats.viewers.iter().filter(|viewer| viewer.state == state).count();
        page.value("viewers", &[("state", state)], count);
    }
    let worst = |of: fn(&ViewerStats) -> Option<f64>| stats.viewers.iter().filter_map(of).reduce(f64::max);
    if let Some(rtt) = worst(|viewer| viewer.rtt_ms) {
        page.one("rtt_seconds", "gauge", "Round trip of the viewer for whom it is longest.", rtt / 1e3);
    }
    if let Some(loss) = worst(|viewer| viewer.loss.map(f64::from)) {
        page.one("loss_ratio", "gauge", "Fraction lost on the way to the viewer for whom it is worst.", loss);
    }
}

fn board(stats: &Stats, page: &mut Page) {
    let Some(board) = stats.board else { return };
    let flags = [
        ("board_undervoltage", "Whether the supply is too low.", board.undervoltage),
        ("board_throttled", "Whether the firmware slows the processor down.", board.throttled),
        ("board_clock_capped", "Whether the firmware holds the clock below its maximum.", board.clock_capped),
        ("board_too_warm", "Whether the chip is at its temperature limit.", board.too_warm),
    ];
    for (name, help, value) in flags {
        if let Some(value) = value {
            page.one(name, "gauge", help, u8::from(value));
        }
    }
}

/// The text as it grows. Names are written without `windshield_`.
struct Page(String);

impl Page {
    /// What a metric is; its values follow.
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP windshield_{name} {help}\n# TYPE windshield_{name} {kind}");
    }

    fn value(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "windshield_{name}");
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{}\"", if at == 0 { '{' } else { ',' }, escaped(text));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// A metric that has one value.
    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.value(name, &[], value);
    }

    fn histogram(&mut self, name: &str, label: (&str, &str), durations: &Durations) {
        let (bucket, count) = (format!("{name}_bucket"), durations.count());
        for (edge, so_far) in EDGES_US.into_iter().zip(durations.up_to(EDGES_US)) {
            self.value(&bucket, &[label, ("le", &seconds(edge).to_string())], so_far);
        }
        self.value(&bucket, &[label, ("le", "+Inf")], count);
        self.value(&format!("{name}_sum"), &[label], seconds(durations.sum_us()));
        self.value(&format!("{name}_count"), &[label], count);
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

/// A label's value: backslash, quote and line end are written as two characters.
fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '"', '\n']) {
        return text.into();
    }
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::clock::Micros;
    use crate::frame::Stamps;
    use crate::trace::BoardStats;
    use crate::trace::tests::stats;

    /// Series and value of each line that is no comment.
    fn series(text: &str) -> HashMap<&str, f64> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(|line| line.rsplit_once(' ').unwrap()).map(|(name, value)| (name, value.parse().unwrap())).collect()
    }

    #[test]
    fn buckets_grow_and_end_in_the_count_beside_an_exact_sum() {
        let mut stages = Stages::default();
        for us in [40, 80, 30_000, 100_000, 5_000_000] {
            stages.viewer(&Stamps { protected: Micros(1), sent: Some(Micros(1 + us)), ..Stamps::default() });
        }
        let text = metrics(&stats(), &stages);
        let series = series(&text);
        let of = |rest: &str| series[format!("windshield_stage_duration_seconds_{rest}").as_str()];
        let bucket = |le: &str| of(&format!("bucket{{stage=\"send\",le=\"{le}\"}}"));
        assert_eq!(
            ["0.00005", "0.0001", "0.025", "0.05", "0.1", "1", "+Inf"].map(bucket),
            [1., 2., 2., 3., 4., 4., 5.]
        );
        assert_eq!((of("sum{stage=\"send\"}"), of("count{stage=\"send\"}")), (5.130_12, 5.0));
        assert_eq!(of("count{stage=\"encode\"}"), 0.0, "what has not happened yet is there as zero");
    }

    #[test]
    fn each_metric_is_explained_once_before_its_values_and_named_by_its_kind() {
        let mut full = stats();
        let yes = Some(true);
        full.board = Some(BoardStats { undervoltage: yes, throttled: yes, clock_capped: yes, too_warm: Some(false) });
        full.viewers =
            vec![ViewerStats { rtt_ms: Some(20.0), loss: Some(0.5), state: "live", ..ViewerStats::default() }];
        let text = metrics(&full, &Stages::default());
        let (mut known, mut current) = (Vec::new(), "");
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert!(!known.contains(&name), "{name} twice");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{name} {kind}");
                known.push(name);
                current = name;
            } else if !line.starts_with("# HELP ") {
                assert!(line.starts_with(current), "{line} under {current}");
            }
        }
        let series = series(&text);
        assert_eq!(series["windshield_viewers{state=\"live\"}"], 1.0);
        assert_eq!((series["windshield_rtt_seconds"], series["windshield_loss_ratio"]), (0.02, 0.5));
        assert_eq!((series["windshield_board_undervoltage"], series["windshield_board_too_warm"]), (1.0, 0.0));
        assert!(known.len() > 30 && text.ends_with('\n'));
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut odd = stats();
        odd.source.name = "a\"b\\c\nd".into();
        assert!(metrics(&odd, &Stages::default()).contains("source=\"a\\\"b\\\\c\\nd\"} 0\n"));
    }
}
