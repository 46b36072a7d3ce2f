//! The tool `loopback` as a function: arguments in; text and exit code out. `main.rs` and `tests/loopback.rs` call it.
//! The loop is in `world`, what the figures mean in `table` and `ledger`, who judges them in `budget`.

mod budget;
mod floor;
mod knobs;
mod ledger;
#[allow(dead_code)]
#[path = "../shared/options.rs"]
mod options;
mod path;
#[allow(dead_code)]
#[path = "../shared/pictures.rs"]
mod pictures;
mod report;
#[path = "../shared/socket.rs"]
mod socket;
mod source;
mod table;
mod tap;
mod time;
mod told;
mod viewer;
#[allow(dead_code)]
#[path = "../shared/wait.rs"]
mod wait;
mod world;

use std::ffi::OsString;

use budget::Budget;
use knobs::{Asked, Knobs};
use world::World;

/// What is left when the tool has ended.
#[derive(Debug)]
pub struct Done {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
    /// 0: done, and the budget held; 1: the budget is broken; 2: it could not be done, or not be judged.
    pub code: u8,
}

/// The whole tool.
pub fn run(arguments: impl Iterator<Item = OsString>) -> Done {
    let outcome = Knobs::read(lexopt::Parser::from_args(arguments)).and_then(|asked| match asked {
        Asked::Help => Ok(Done { out: format!("{}\n", knobs::HELP), err: String::new(), code: 0 }),
        Asked::Run(knobs) => measure(&knobs),
    });
    outcome.unwrap_or_else(|sentence| Done { out: String::new(), err: format!("loopback: {sentence}\n"), code: 2 })
}

fn measure(knobs: &Knobs) -> Result<Done, String> {
    // A budget that cannot be read shall not be found out after a minute of measuring.
    let budget = knobs.budget.as_deref().map(Budget::read).transpose()?;
    let measured = World::new(knobs)?.run()?;
    let verdicts = budget.map(|budget| budget.judge(knobs, &measured.table));
    let (text, json) = (report::text(knobs, &measured), report::json(knobs, &measured, verdicts.as_deref()));
    let (mut out, mut err) = match knobs.json.as_deref() {
        Some("-") => (json, text),
        Some(path) => {
            std::fs::write(path, json).map_err(|e| format!("cannot write {path}: {e}"))?;
            (text, String::new())
        }
        None => (text, String::new()),
    };
    let verdicts = verdicts.unwrap_or_default();
    for verdict in &verdicts {
        let to = if verdict.held() { &mut out } else { &mut err };
        // Standard output is the document's when it is asked for there.
        let to = if knobs.json.as_deref() == Some("-") { &mut err } else { to };
        *to += &format!("{verdict}\n");
    }
    Ok(Done { out, err, code: budget::exit_code(&verdicts) })
}
