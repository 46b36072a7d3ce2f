//! What was typed behind `windshield doctor` -> what it means. Pure, like the rest of `config`, which calls it.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};

use lexopt::{Arg, Parser};

use super::{Command, DEFAULT_PORT, Usage, nearest, quoted, read, refuse, value};
use crate::doctor::Options;

/// Every long option of `doctor`, without its dashes; its help text describes each.
pub const OPTIONS: [&str; 5] = ["port", "peer", "udp", "echo", "help"];

pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, Usage> {
    let mut options = Options { port: DEFAULT_PORT, ..Options::default() };
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|error| refuse(&error))? {
        let name = match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::DoctorHelp),
            Arg::Long(name) => match OPTIONS.iter().find(|option| **option == name) {
                Some(option) => *option,
                None => {
                    let near = nearest::nearest(name, &OPTIONS).map(|near| format!("; did you mean --{near}?"));
                    let near = near.unwrap_or_else(|| " (windshield doctor --help lists them all)".into());
                    return Err(Usage(format!("doctor --{name}: no such option{near}")));
                }
            },
            Arg::Short(letter) => return Err(Usage(format!("doctor -{letter}: no such option (the short one: -h)"))),
            Arg::Value(value) => {
                let text = value.to_string_lossy();
                return Err(Usage(format!("doctor {}: belongs to no option; did you mean --peer?", quoted(&text))));
            }
        };
        let value =
            parser.value().map_err(|_| Usage(format!("doctor --{name}: a value is missing ({})", wanted(name))))?;
        match name {
            "port" => options.port = read(name, &value, listening)?,
            "echo" => options.echo = Some(read(name, &value, listening)?),
            "peer" => {
                options.peer = Some(read(name, &value, |text| text.parse::<IpAddr>().map_err(|_| is_no("peer")))?)
            }
            "udp" => {
                let address = |text: &str| text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0);
                options.udp = Some(read(name, &value, |text| address(text).ok_or_else(|| is_no("udp")))?);
            }
            _ => unreachable!("only names of OPTIONS come here, and each has its arm"),
        }
    }
    Ok(Command::Doctor(options))
}

fn listening(text: &str) -> Result<u16, String> {
    value::port(text).ok().filter(|port| *port != 0).ok_or_else(|| is_no("port"))
}

fn is_no(name: &str) -> String {
    format!("not {}", wanted(name))
}

fn wanted(name: &str) -> &'static str {
    match name {
        "peer" => "an IP address, such as 192.168.0.5",
        "udp" => "IP:PORT or [IPv6]:PORT, where windshield doctor --echo PORT runs",
        _ => "a port, 1 to 65535",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn typed(words: &str) -> Result<Command, Usage> {
        super::super::parse(words.split_whitespace().map(OsString::from), |_| None, |_| false)
    }

    #[test]
    fn every_option_reaches_its_field() {
        let Command::Doctor(options) = typed("doctor --port 9000 --peer 10.0.0.2 --udp [::1]:9 --echo 9001").unwrap()
        else {
            panic!("not the doctor");
        };
        let wanted = Options {
            port: 9000,
            peer: Some([10, 0, 0, 2].into()),
            udp: Some("[::1]:9".parse().unwrap()),
            echo: Some(9001),
        };
        assert_eq!(options, wanted);
        let Command::Doctor(options) = typed("doctor").unwrap() else { panic!("not the doctor") };
        assert_eq!(options, Options { port: 8080, ..Options::default() });
        assert!(matches!(typed("doctor --peer 1.2.3.4 --help"), Ok(Command::DoctorHelp)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, sentence) in [
            ("doctor --pier 1.2.3.4", "doctor --pier: no such option; did you mean --peer?"),
            ("doctor 10.0.0.2", "doctor 10.0.0.2: belongs to no option; did you mean --peer?"),
            ("doctor --peer car.local", "--peer car.local: not an IP address, such as 192.168.0.5"),
            ("doctor --udp 10.0.0.2", "--udp 10.0.0.2: not IP:PORT or [IPv6]:PORT"),
            ("doctor --udp 10.0.0.2:0", "--udp 10.0.0.2:0: not IP:PORT"),
            ("doctor --echo 0", "--echo 0: not a port, 1 to 65535"),
            ("doctor --echo", "doctor --echo: a value is missing (a port, 1 to 65535)"),
            ("doctor --fps 30", "doctor --fps: no such option"),
            ("doctor -x", "doctor -x: no such option"),
        ] {
            let said = typed(words).unwrap_err().to_string();
            assert!(said.starts_with(sentence), "{words}: {said}");
        }
    }
}
