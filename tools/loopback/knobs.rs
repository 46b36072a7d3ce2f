//! What was typed -> what it means. Pure; every refusal is a sentence with the value and what to do.

use std::time::Duration;

use lexopt::prelude::*;

use super::options;

/// Printed by `--help`.
pub const HELP: &str = "\
loopback [options]: measures a frame's way through the car to a native viewer, stage by stage

Everything runs in this process and on one thread, as in the car: a source, the real link (packetizer, SRTP, UDP socket),
and real WebRTC viewers that decrypt and put together each frame. Frames are due at fixed times, and latency counts from
then: when the loop is late, the lateness is in the stage camera.

What is sent
  --clip FILE        a raw H.264 file, paced and looped; without it frames are made up, each of --frame-size bytes,
                     a keyframe (four times as large) every 2 s and when a viewer wishes one
  --frame-size BYTES of a made-up frame that is no keyframe, 100 to 1000000 (8333)
  --bitrate RATE     the same, said in bits a second: 2M, 800k (2M); not together with --frame-size
  --fps N            frames a second, 1 to 240 (30)
  --viewers N        who watch, 1 to 50 (1)
  --duration S       seconds of measuring, 0.1 to 3600 (10), after all have a picture and a second has passed

How it is carried
  --wire udp|memory  real sockets on 127.0.0.1, or a queue in memory (udp)
  --virtual          memory, and virtual time: instantly done, repeatable, every stage costs 0 but for what is injected
  --loss PERCENT     of datagrams, each way, at random, once all have a picture (0)
  --delay MS         one way, each way (0)
  --jitter MS        delay more or less by at most this (0); overtaking follows from it
  --seed N           of loss and jitter (1)
  --slow STAGE=MS    makes a stage take so much longer, to see that it is found: camera, packetize, protect, send,
                     network, receive; may be given several times. The thread sleeps, so frames behind wait, too

What comes out
  --json FILE        the figures for machines as well; - for standard output (the table then goes to standard error)
  --budget FILE      judges the figures by the limits in FILE (perf/budget.toml explains itself)
  --help             this

Stages, in microseconds, one value for each frame and viewer. Each begins where the one before ends:
  camera     from when the frame was due until this process had it
  encode     only where the source knows it; a file and made-up frames do not
  packetize  until its RTP payloads were made
  protect    until the last packet for this viewer was encrypted; earlier viewers' sends are in it
  send       until the kernel had the last datagram for this viewer
  network    until its last datagram had arrived, also if it had to be sent again (the kernel's stamp; on loopback
             that is within send, so 0)
  receive    until the viewer had decrypted and put together the whole frame, and all frames before it
and over all of it:
  car        camera to send
  total      from when the frame was due until the viewer had it or, if it was lost or cannot be decoded, the next one
             it can show: what never arrives counts, and grows while the picture is frozen. Counted for every frame due
  floor      beside it, in the same run: a bare sendto of the same bytes, no protocol, once (no floor with --virtual)
The stages up to send are the car's own stamps, told over the data channel as every page is told them and joined by RTP
timestamp; where those messages are lost, their frames are missing there (see the count) but not in total.

Exit code: 0 done and within budget; 1 a limit of the budget is broken; 2 it could not be done, or could not be judged.";

/// Bytes of a frame at 2 Mbit/s and 30 a second.
const BITRATE: u32 = 2_000_000;

/// How datagrams travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Sockets on 127.0.0.1.
    Udp,
    /// A queue.
    Memory,
}

/// What each stage is made to take longer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slow {
    /// Before the frame is taken.
    pub camera: Duration,
    /// Before its payloads are stamped.
    pub packetize: Duration,
    /// Before a viewer's last packet is stamped.
    pub protect: Duration,
    /// Before a viewer's datagrams are handed over.
    pub send: Duration,
    /// On their way.
    pub network: Duration,
    /// Before the viewer has a whole frame.
    pub receive: Duration,
}

impl Slow {
    /// `STAGE=MS`.
    fn read(&mut self, text: &str) -> Result<(), String> {
        let what = "camera, packetize, protect, send, network or receive, e.g. --slow send=30";
        let (stage, time) = text.split_once('=').ok_or(format!("--slow {text}: write STAGE=MS, STAGE being {what}"))?;
        let of = match stage {
            "camera" => &mut self.camera,
            "packetize" => &mut self.packetize,
            "protect" => &mut self.protect,
            "send" => &mut self.send,
            "network" => &mut self.network,
            "receive" => &mut self.receive,
            other => return Err(format!("--slow {text}: {other} is none of {what}")),
        };
        *of = milliseconds("--slow", time)?;
        Ok(())
    }
}

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Knobs {
    /// A raw H.264 file.
    pub clip: Option<String>,
    /// Bytes of a made-up frame.
    pub frame_size: usize,
    /// Frames a second.
    pub fps: u32,
    /// How many watch.
    pub viewers: usize,
    /// Of measuring.
    pub duration: Duration,
    /// How datagrams travel.
    pub wire: Wire,
    /// In virtual time.
    pub virtual_time: bool,
    /// 0 to 1.
    pub loss: f32,
    /// One way.
    pub delay: Duration,
    /// More or less.
    pub jitter: Duration,
    /// Of loss and jitter.
    pub seed: u64,
    /// On purpose.
    pub slow: Slow,
    /// Where to.
    pub json: Option<String>,
    /// Which.
    pub budget: Option<String>,
}

/// What a command line asks for.
#[derive(Debug)]
pub enum Asked {
    /// The text.
    Help,
    /// A run.
    Run(Box<Knobs>),
}

impl Knobs {
    /// Reads a command line.
    ///
    /// # Errors
    /// A sentence.
    pub fn read(mut arguments: lexopt::Parser) -> Result<Asked, String> {
        let (mut frame_size, mut bitrate, mut wire) = (None, None, None);
        let mut read = Self {
            clip: None,
            frame_size: 0,
            fps: 30,
            viewers: 1,
            duration: Duration::from_secs(10),
            wire: Wire::Udp,
            virtual_time: false,
            loss: 0.0,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            seed: 1,
            slow: Slow::default(),
            json: None,
            budget: None,
        };
        while let Some(argument) = arguments.next().map_err(|e| e.to_string())? {
            match argument {
                Long("clip") => read.clip = Some(options::text(&mut arguments)?),
                Long("frame-size") => {
                    frame_size = Some(within("--frame-size", &options::text(&mut arguments)?, 100, 1_000_000)?);
                }
                Long("bitrate") => bitrate = Some(rate(&options::text(&mut arguments)?)?),
                Long("fps") => read.fps = within("--fps", &options::text(&mut arguments)?, 1, 240)?,
                Long("viewers") => read.viewers = within("--viewers", &options::text(&mut arguments)?, 1, 50)?,
                Long("duration") => {
                    let seconds: f64 = within("--duration", &options::text(&mut arguments)?, 0.1, 3_600.0)?;
                    read.duration = Duration::from_secs_f64(seconds);
                }
                Long("wire") => {
                    wire = Some(match options::text(&mut arguments)?.as_str() {
                        "udp" => Wire::Udp,
                        "memory" => Wire::Memory,
                        other => return Err(format!("--wire {other}: neither udp nor memory")),
                    });
                }
                Long("virtual") => read.virtual_time = true,
                Long("loss") => {
                    let text = options::text(&mut arguments)?;
                    let percent: f32 = within("--loss", text.trim_end_matches('%'), 0.0, 100.0)?;
                    read.loss = percent / 100.0;
                }
                Long("delay") => read.delay = milliseconds("--delay", &options::text(&mut arguments)?)?,
                Long("jitter") => read.jitter = milliseconds("--jitter", &options::text(&mut arguments)?)?,
                Long("seed") => read.seed = within("--seed", &options::text(&mut arguments)?, 0, u64::MAX)?,
                Long("slow") => read.slow.read(&options::text(&mut arguments)?)?,
                Long("json") => read.json = Some(options::text(&mut arguments)?),
                Long("budget") => read.budget = Some(options::text(&mut arguments)?),
                Long("help") | Short('h') => return Ok(Asked::Help),
                other => return Err(format!("{}; try --help", other.unexpected())),
            }
        }
        if read.virtual_time && wire == Some(Wire::Udp) {
            return Err("--virtual --wire udp: sockets know only the real time; leave one of them out".to_owned());
        }
        read.wire = if read.virtual_time { Wire::Memory } else { wire.unwrap_or(Wire::Udp) };
        if read.clip.is_some() && (frame_size.is_some() || bitrate.is_some()) {
            return Err("--clip: its frames have the sizes they have; leave out --frame-size and --bitrate".to_owned());
        }
        read.frame_size = match (frame_size, bitrate) {
            (Some(_), Some(_)) => {
                return Err("--frame-size and --bitrate say the same thing; give one of them".to_owned());
            }
            (Some(bytes), None) => bytes,
            (None, bitrate) => ((bitrate.unwrap_or(BITRATE) / 8 / read.fps) as usize).clamp(100, 1_000_000),
        };
        if read.jitter > read.delay {
            let (jitter, delay) = (read.jitter.as_secs_f64() * 1e3, read.delay.as_secs_f64() * 1e3);
            return Err(format!(
                "--jitter {jitter}: more than --delay {delay}, and nothing arrives before it is sent; raise --delay"
            ));
        }
        Ok(Asked::Run(Box::new(read)))
    }

    /// Whether datagrams arrive all, at once and in order.
    pub fn clean_path(&self) -> bool {
        self.loss == 0.0 && (self.delay + self.jitter + self.slow.network).is_zero()
    }

    /// From frame to frame.
    pub fn period(&self) -> Duration {
        Duration::from_secs(1) / self.fps
    }
}

fn within<T>(knob: &str, text: &str, least: T, most: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    let value = text.parse().ok().filter(|value| (&least..=&most).contains(&value));
    value.ok_or_else(|| format!("{knob} {text}: not a number from {least} to {most}"))
}

fn milliseconds(knob: &str, text: &str) -> Result<Duration, String> {
    let text = text.trim_end_matches("ms");
    Ok(Duration::from_secs_f64(within::<f64>(knob, text, 0.0, 10_000.0)? / 1e3))
}

fn rate(text: &str) -> Result<u32, String> {
    let (number, unit) = match text.as_bytes().last() {
        Some(b'M') => (&text[..text.len() - 1], 1e6),
        Some(b'k') => (&text[..text.len() - 1], 1e3),
        _ => (text, 1.0),
    };
    let bits = number.parse::<f64>().ok().map(|n| n * unit).filter(|bits| (10_000.0..=200e6).contains(bits));
    bits.map(|bits| bits as u32).ok_or_else(|| format!("--bitrate {text}: not a rate from 10k to 200M"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Knobs, String> {
        match Knobs::read(lexopt::Parser::from_args(line.split_whitespace()))? {
            Asked::Run(knobs) => Ok(*knobs),
            Asked::Help => Err("help".to_owned()),
        }
    }

    #[test]
    fn a_rate_is_a_size_of_frames() {
        assert_eq!(read("").unwrap().frame_size, 8_333);
        assert_eq!(read("--bitrate 800k --fps 10").unwrap().frame_size, 10_000);
        assert_eq!(read("--frame-size 500").unwrap().frame_size, 500);
    }

    #[test]
    fn what_is_slowed_is_named() {
        let slow = read("--slow send=30 --slow network=2.5ms").unwrap().slow;
        assert_eq!((slow.send, slow.network), (Duration::from_millis(30), Duration::from_micros(2_500)));
        assert_eq!(slow.camera, Duration::ZERO);
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_value() {
        for (line, sentence) in [
            ("--loss 101", "--loss 101: not a number from 0 to 100"),
            ("--slow kernel=3", "kernel is none of camera"),
            ("--wire tcp", "--wire tcp: neither udp nor memory"),
            ("--virtual --wire udp", "leave one of them out"),
            ("--bitrate 2M --frame-size 300", "give one of them"),
            ("--clip a.h264 --bitrate 2M", "leave out"),
            ("--jitter 5", "raise --delay"),
            ("--duration 0", "--duration 0: not a number from 0.1 to 3600"),
            ("--verbose", "try --help"),
        ] {
            let refused = read(line).unwrap_err();
            assert!(refused.contains(sentence), "{line}: {refused}");
        }
    }
}
