//! EDGE: reads a file. The limits of `perf/budget.toml`, and the judgement: held, broken (which stage, which percentile, how
//! much), or not to be judged, with the reason. A budget is for a run like the one it describes.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::knobs::{Knobs, Wire};
use super::table::{FLOOR, Table, needed};

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    #[serde(default)]
    run: Run,
    limit: Vec<Limit>,
}

/// What the run must have been like; what is left out may be anything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    viewers: Option<usize>,
    fps: Option<u32>,
    frame_size: Option<usize>,
    wire: Option<String>,
}

/// One line.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    stage: String,
    percentile: f64,
    /// Microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    us: Option<u64>,
    /// Times the same percentile of the floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    floors: Option<f64>,
}

/// What came of a line.
#[derive(Debug, Serialize)]
pub struct Verdict {
    #[serde(flatten)]
    limit: Limit,
    /// Microseconds, if there were values.
    measured: Option<u64>,
    /// What the limit came to, if there was a floor.
    most: Option<u64>,
    count: u64,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(tag = "outcome", content = "why", rename_all = "snake_case")]
enum Outcome {
    Held,
    Broken,
    NotJudged(String),
}

impl Budget {
    /// Reads the file.
    ///
    /// # Errors
    /// A sentence: it cannot be read, or says something that is no limit.
    pub fn read(path: &str) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read the budget {path}: {e}"))?;
        Self::parse(&text).map_err(|e| format!("the budget {path}: {e}"))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let budget: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        if budget.limit.is_empty() {
            return Err("it has no [[limit]]".to_owned());
        }
        let stages: Vec<_> = Table::default().stages().collect();
        for Limit { stage, percentile, us, floors } in &budget.limit {
            let complaint = if !stages.contains(&stage.as_str()) {
                format!("is none of {}", stages.join(", "))
            } else if !(1.0..=99.99).contains(percentile) {
                format!("percentile {percentile} is not between 1 and 99.99")
            } else if us.is_some() == floors.is_some() {
                "needs either us (microseconds) or floors (times the floor)".to_owned()
            } else {
                continue;
            };
            return Err(format!("the limit of {stage}: {complaint}"));
        }
        if let Some(wire) = budget.run.wire.as_ref().filter(|w| !["udp", "memory", "virtual"].contains(&w.as_str())) {
            return Err(format!("run.wire is {wire}, none of udp, memory, virtual"));
        }
        Ok(budget)
    }

    /// Judges each line.
    pub fn judge(self, knobs: &Knobs, table: &Table) -> Vec<Verdict> {
        let unlike = self.run.unlike(knobs);
        self.limit.into_iter().map(|limit| limit.judge(unlike.as_deref(), table)).collect()
    }
}

impl Run {
    /// Why the budget is for another run, if it is.
    fn unlike(&self, knobs: &Knobs) -> Option<String> {
        let wire = match knobs.wire {
            Wire::Udp => "udp",
            Wire::Memory if knobs.virtual_time => "virtual",
            Wire::Memory => "memory",
        };
        let size = knobs.clip.is_none().then(|| knobs.frame_size.to_string());
        let all = [
            ("--viewers", self.viewers.map(|n| n.to_string()), Some(knobs.viewers.to_string())),
            ("--fps", self.fps.map(|n| n.to_string()), Some(knobs.fps.to_string())),
            ("--frame-size", self.frame_size.map(|n| n.to_string()), size),
            ("--wire", self.wire.clone(), Some(wire.to_owned())),
        ];
        all.into_iter().find(|(_, wanted, was)| wanted.is_some() && wanted != was).map(|(knob, wanted, was)| {
            let (wanted, was) = (wanted.unwrap_or_default(), was.unwrap_or("a clip".to_owned()));
            format!("this budget is for {knob} {wanted}, and this run had {was}")
        })
    }
}

impl Limit {
    fn judge(self, unlike: Option<&str>, table: &Table) -> Verdict {
        let quantile = self.percentile / 100.0;
        let count = |stage: &str| table.histogram(stage).map_or(0, |h| h.len());
        let value =
            |stage: &str| table.histogram(stage).filter(|h| !h.is_empty()).map(|h| h.value_at_quantile(quantile));
        let (measured, values, needed) = (value(&self.stage), count(&self.stage), needed(self.percentile));
        let most = match (self.us, self.floors) {
            (Some(us), _) => Some(us),
            (None, Some(floors)) => value(FLOOR).map(|floor| (floor as f64 * floors) as u64),
            (None, None) => None,
        };
        let too_few = |what: &str, values: u64| {
            let of = self.percentile;
            format!("p{of} needs {needed} values, and {what} has {values}; measure longer (--duration)")
        };
        let outcome = match (unlike, measured, most) {
            (Some(why), _, _) => Outcome::NotJudged(why.to_owned()),
            (None, Some(_), None) => Outcome::NotJudged("there is no floor in virtual time".to_owned()),
            (None, _, _) if values < needed => Outcome::NotJudged(too_few(&self.stage, values)),
            (None, _, _) if self.floors.is_some() && count(FLOOR) < needed => {
                Outcome::NotJudged(too_few("the floor", count(FLOOR)))
            }
            (None, Some(measured), Some(most)) if measured > most => Outcome::Broken,
            _ => Outcome::Held,
        };
        Verdict { limit: self, measured, most, count: values, outcome }
    }
}

impl Verdict {
    /// Within the limit.
    pub fn held(&self) -> bool {
        matches!(self.outcome, Outcome::Held)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit: Limit { stage, percentile, floors, .. }, measured, most, count, outcome } = self;
        let (measured, most) = (measured.unwrap_or(0), most.unwrap_or(0));
        let how = floors.map_or(String::new(), |floors| format!(" ({floors} times the floor)"));
        let figures = format!("{stage} p{percentile}: {measured} us of {count} values, limit {most} us{how}");
        match outcome {
            Outcome::Held => write!(f, "within budget: {figures}"),
            Outcome::Broken => write!(f, "OVER BUDGET: {figures}"),
            Outcome::NotJudged(why) => write!(f, "budget not judged: {stage} p{percentile}: {why}"),
        }
    }
}

/// 0: all held; 1: at least one broken; 2: none broken, but not all could be judged.
pub fn exit_code(verdicts: &[Verdict]) -> u8 {
    let any = |what: fn(&Outcome) -> bool| verdicts.iter().any(|v| what(&v.outcome));
    if any(|o| matches!(o, Outcome::Broken)) {
        1
    } else if any(|o| matches!(o, Outcome::NotJudged(_))) {
        2
    } else {
        0
    }
}
