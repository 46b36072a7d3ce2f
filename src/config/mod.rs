//! What was typed -> what it means: every check and every default with its reason. `main` calls [`parse`] once. Pure:
//! arguments, environment and the question whether a file exists are handed in, so that a test can type anything.
//! What one value means is in [`value`]; how a person is told about the options is in `help`.

mod doctor;
mod nearest;
pub mod value;

use std::ffi::{OsStr, OsString};
use std::fmt::{self, Write};
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use lexopt::{Arg, Parser};

use crate::frame::Bitrate;
use crate::video::{self, Choice, Size};

/// Every long option, without its dashes. `help` describes each; an unknown one is compared with these.
pub const OPTIONS: [&str; 16] = [
    "source",
    "http",
    "udp",
    "size",
    "fps",
    "bitrate",
    "camera",
    "playout-delay",
    "max-viewers",
    "token",
    "allow-origin",
    "static-dir",
    "trace",
    "log",
    "help",
    "version",
];

/// Environment variable that stands in for `--token`: an argument can be read by everyone on the machine (`ps`).
pub const TOKEN_VARIABLE: &str = "WINDSHIELD_TOKEN";
/// Environment variable that stands in for `--log`, as in every program that uses `env_logger`.
pub const LOG_VARIABLE: &str = "RUST_LOG";

/// One number for TCP and UDP, to remember and to forward in a router; above 1023, so that no root is needed.
const DEFAULT_PORT: u16 = 8080;
/// VGA: one encoder pass of the Pi's VideoCore takes 5 ms instead of 15 to 20 ms at 720p, and steering needs
/// freshness before detail.
const DEFAULT_SIZE: Size = Size { width: 640, height: 480 };
/// Frames per second every camera and every phone can do.
const DEFAULT_FPS: u32 = 30;
/// Bits per second; VGA looks clean at it and a 4G uplink carries it.
const DEFAULT_BITRATE: Bitrate = Bitrate(2_000_000);
/// Each viewer costs a full copy of the stream in upload and encryption; a Pi Zero W is busy with a few.
const DEFAULT_MAX_VIEWERS: usize = 8;
/// Life events of the program and its viewers, nothing for each packet.
const DEFAULT_LOG: &str = "info";

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Serve pictures.
    Run(Box<Config>),
    /// Print the help text and leave.
    Help,
    /// Print the version and leave.
    Version,
    /// Look for what is wrong with this machine and leave.
    Doctor(crate::doctor::Options),
    /// Print the help text of `doctor` and leave.
    DoctorHelp,
}

/// Everything the program was told, checked.
#[derive(Clone)]
pub struct Config {
    /// Where pictures come from and how they shall be.
    pub source: video::Options,
    /// TCP address of page and signaling. `[::]` stands for every address, IPv4 included. Port 0: any free one.
    pub http: SocketAddr,
    /// UDP port of the media; port 0: any free one.
    pub udp: u16,
    /// What is asked of the browser's jitter buffer from the first packet on; none: the extension is not sent.
    pub playout_delay: Option<PlayoutDelay>,
    /// Viewers at a time; the next one is asked to come back later.
    pub max_viewers: usize,
    /// Bearer token that guards signaling. A secret: neither `Debug` nor the log shows it.
    pub token: Option<String>,
    /// Origins besides our own whose pages may use the signaling, as browsers spell them; `*` for any.
    pub allow_origin: Vec<String>,
    /// Serves the page from here instead of the embedded one.
    pub static_dir: Option<PathBuf>,
    /// Keeps the stamps of the last frames and writes them here, at the end and on SIGUSR1.
    pub trace: Option<PathBuf>,
    /// Filter for `env_logger`.
    pub log: String,
}

/// Bounds that the browser shall keep its playout delay in (RTP header extension `playout-delay`): 0 to 40,950 ms in
/// steps of 10 ms, since the extension has 12 bits for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// Milliseconds.
    pub min_ms: u16,
    /// Milliseconds, not less than `min_ms`.
    pub max_ms: u16,
}

impl PlayoutDelay {
    /// Show each frame at once: in Chromium a median of 2.5 ms from network to compositor instead of 18 to 31.
    pub const NONE: Self = Self { min_ms: 0, max_ms: 0 };
}

/// Why a command line was refused: one sentence that names option, value and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage(String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was typed may hold anything; a sentence is one line and leaves the terminal alone.
        self.0
            .chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_debug()) } else { f.write_char(c) })
    }
}

impl std::error::Error for Usage {}

impl Default for Config {
    fn default() -> Self {
        Self {
            source: video::Options {
                choice: Choice::Auto,
                size: DEFAULT_SIZE,
                fps: DEFAULT_FPS,
                bitrate: DEFAULT_BITRATE,
                camera: video::settings::Settings::default(),
            },
            http: (Ipv6Addr::UNSPECIFIED, DEFAULT_PORT).into(),
            udp: DEFAULT_PORT,
            playout_delay: Some(PlayoutDelay::NONE),
            max_viewers: DEFAULT_MAX_VIEWERS,
            token: None,
            allow_origin: Vec::new(),
            static_dir: None,
            trace: None,
            log: DEFAULT_LOG.into(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Taken apart by name, so that a new field cannot be forgotten here.
        let Self { source, http, udp, playout_delay, max_viewers, token, allow_origin, static_dir, trace, log } = self;
        f.debug_struct("Config")
            .field("source", source)
            .field("http", http)
            .field("udp", udp)
            .field("playout_delay", playout_delay)
            .field("max_viewers", max_viewers)
            .field("token", &token.as_ref().map(|_| "(hidden)"))
            .field("allow_origin", allow_origin)
            .field("static_dir", static_dir)
            .field("trace", trace)
            .field("log", log)
            .finish()
    }
}

/// Reads a command line without the program's name. `env` looks up an environment variable, `is_file` tells whether
/// a path is a file that can be read.
///
/// # Errors
/// The first thing that is wrong, as a sentence.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
    is_file: impl Fn(&Path) -> bool,
) -> Result<Command, Usage> {
    let mut args = args.into_iter().peekable();
    if args.next_if(|first| first == "doctor").is_some() {
        return doctor::parse(args);
    }
    let mut config = Config::default();
    let (mut udp, mut token, mut log) = (None, None, None);
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|error| refuse(&error))? {
        let name = match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Long("version") | Arg::Short('V') => return Ok(Command::Version),
            Arg::Long(name) => known(name)?,
            Arg::Short(letter) => return Err(Usage(format!("-{letter}: no such option (short ones: -h, -V)"))),
            Arg::Value(value) => return Err(stray(&value)),
        };
        // Asked for on its own line: with the value missing the sentence says what belongs there.
        let value = parser.value().map_err(|_| Usage(format!("--{name}: a value is missing ({})", wanted(name))))?;
        match name {
            "source" => config.source.choice = read(name, &value, str::parse)?,
            "http" => config.http = read(name, &value, value::listen)?,
            "udp" => udp = Some(read(name, &value, value::port)?),
            "size" => config.source.size = read(name, &value, str::parse)?,
            "fps" => config.source.fps = read(name, &value, value::fps)?,
            "bitrate" => config.source.bitrate = read(name, &value, value::bitrate)?,
            "camera" => config.source.camera = read(name, &value, str::parse)?,
            "playout-delay" => config.playout_delay = read(name, &value, value::playout_delay)?,
            "max-viewers" => config.max_viewers = read(name, &value, value::max_viewers)?,
            "token" => token = Some(secret("--token", &value)?),
            "allow-origin" => config.allow_origin.push(read(name, &value, value::origin)?),
            "static-dir" => config.static_dir = Some(directory(value, &is_file)?),
            "trace" => config.trace = Some(file(value)?),
            "log" => log = Some(read(name, &value, value::log_filter)?),
            _ => unreachable!("`known` lets only names of OPTIONS pass, and each has its arm here"),
        }
    }
    config.udp = udp.unwrap_or(config.http.port());
    config.token = match (token, env(TOKEN_VARIABLE)) {
        (Some(token), _) => Some(token),
        (None, Some(value)) => Some(secret(TOKEN_VARIABLE, &value)?),
        (None, None) => None,
    };
    // An empty RUST_LOG would mean "errors only" to env_logger; people who empty a variable mean "as if unset".
    let inherited = || env(LOG_VARIABLE).and_then(|value| value.into_string().ok()).filter(|filter| !filter.is_empty());
    config.log = log.or_else(inherited).unwrap_or_else(|| DEFAULT_LOG.into());
    Ok(Command::Run(Box::new(config)))
}

/// The option as it stands in [`OPTIONS`], or a sentence with the nearest one.
fn known(name: &str) -> Result<&'static str, Usage> {
    match OPTIONS.iter().find(|option| **option == name) {
        Some(option) => Ok(option),
        None => Err(Usage(match nearest::nearest(name, &OPTIONS) {
            Some(near) => format!("--{name}: no such option; did you mean --{near}?"),
            None => format!("--{name}: no such option (--help lists them all)"),
        })),
    }
}

/// Reads one value. When it is wrong `meaning` answers with half a sentence, or, beginning with the option, a whole one.
fn read<T>(name: &str, value: &OsStr, meaning: impl Fn(&str) -> Result<T, String>) -> Result<T, Usage> {
    let text = value.to_str().ok_or_else(|| Usage(format!("--{name} {}: not UTF-8", value.display())))?;
    meaning(text).map_err(|why| match why.starts_with("--") {
        true => Usage(why),
        false => Usage(format!("--{name} {}: {why}", quoted(text))),
    })
}

/// Reads the token; nothing of it may get into the sentence.
fn secret(place: &str, value: &OsStr) -> Result<String, Usage> {
    let text = value.to_str().unwrap_or("\u{fffd}");
    value::token(text).map_err(|why| Usage(format!("{place}: {why}")))
}

fn directory(value: OsString, is_file: impl Fn(&Path) -> bool) -> Result<PathBuf, Usage> {
    let dir = PathBuf::from(value);
    if is_file(&dir.join("index.html")) {
        return Ok(dir);
    }
    let shown = dir.display().to_string();
    Err(Usage(format!(
        "--static-dir {}: holds no index.html that can be read; name the folder with the page, e.g. static",
        quoted(&shown)
    )))
}

/// A file to be written; whether it can be is found out at the start.
fn file(value: OsString) -> Result<PathBuf, Usage> {
    match value.is_empty() {
        true => Err(Usage("--trace \"\": name a file, such as trace.json".into())),
        false => Ok(value.into()),
    }
}

/// An argument that belongs to no option: most likely a clip or a command without `--source`.
fn stray(value: &OsStr) -> Usage {
    let text = value.to_string_lossy();
    let is_clip = [".h264", ".264"].iter().any(|end| text.ends_with(end));
    Usage(match is_clip {
        true => format!("{}: belongs to no option; to play a clip: --source clip:{text}", quoted(&text)),
        false => format!("{}: belongs to no option (--help lists them all)", quoted(&text)),
    })
}

/// What remains of lexopt's errors once values are asked for by hand: `--help=something` and the like.
fn refuse(error: &lexopt::Error) -> Usage {
    Usage(error.to_string())
}

/// As typed where one sees where it begins and ends, else in quotes.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && !text.contains(char::is_whitespace);
    if plain { text.into() } else { format!("\"{text}\"") }
}

/// What belongs behind an option, for the sentence about a missing value.
fn wanted(name: &str) -> &'static str {
    match name {
        "source" => "auto, demo, rpicam, v4l2:DEVICE, encoder:CAMERA,ENCODER, clip:FILE, pipe:- or pipe:COMMAND",
        "http" => value::LISTEN,
        "udp" => value::PORT,
        "size" => "WIDTHxHEIGHT such as 640x480",
        "fps" => "frames per second, such as 30",
        "bitrate" => "bits per second, such as 2M",
        "camera" => "KEY=VALUE,.. such as exposure=5ms,rotation=180,hflip",
        "playout-delay" => value::PLAYOUT_DELAY,
        "max-viewers" => "how many at a time, such as 8",
        "token" => "a secret that viewers must know",
        "allow-origin" => value::ORIGIN,
        "static-dir" => "a folder that holds index.html",
        "trace" => "a file to write, such as trace.json",
        _ => value::LOG,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
