use super::*;

/// Parses words as a shell would hand them over, with an empty environment and no files.
fn typed(words: &[&str]) -> Result<Command, Usage> {
    parse(words.iter().map(OsString::from), |_| None, |_| false)
}

fn config(words: &[&str]) -> Config {
    run(typed(words))
}

fn run(command: Result<Command, Usage>) -> Config {
    match command.unwrap() {
        Command::Run(config) => *config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_typed_is_the_demo_or_camera_on_every_address() {
    let config = config(&[]);
    assert_eq!(config.source.choice, Choice::Auto);
    assert_eq!((config.source.size, config.source.fps), (Size { width: 640, height: 480 }, 30));
    assert_eq!(config.source.bitrate, Bitrate(2_000_000));
    assert_eq!((config.http, config.udp), ("[::]:8080".parse().unwrap(), 8080));
    assert_eq!(config.playout_delay, Some(PlayoutDelay { min_ms: 0, max_ms: 0 }));
    assert_eq!((config.max_viewers, config.log.as_str()), (8, "info"));
    assert!(
        config.token.is_none()
            && config.allow_origin.is_empty()
            && config.static_dir.is_none()
            && config.trace.is_none()
    );
}

#[test]
fn every_option_reaches_its_field() {
    let words = "--source clip:a.h264 --http 127.0.0.1:9000 --udp=9001 --size 1280x720 --fps 60 --bitrate 4M --camera hflip,rotation=180 \
                 --playout-delay 0-100 --max-viewers 2 --token secret --allow-origin https://a.example \
                 --allow-origin=http://b.example:3000 --static-dir static --trace t.json --log debug";
    let words = words.split_whitespace().map(OsString::from);
    let config = run(parse(words, |_| None, |path| path == Path::new("static/index.html")));
    assert_eq!(config.source.choice, Choice::Clip("a.h264".into()));
    assert_eq!((config.source.size, config.source.fps), (Size { width: 1280, height: 720 }, 60));
    assert_eq!(config.source.bitrate, Bitrate(4_000_000));
    assert_eq!(config.source.camera, "rotation=180,hflip=on".parse().unwrap());
    assert_eq!((config.http, config.udp), ("127.0.0.1:9000".parse().unwrap(), 9001));
    assert_eq!(config.playout_delay, Some(PlayoutDelay { min_ms: 0, max_ms: 100 }));
    assert_eq!((config.max_viewers, config.token.as_deref()), (2, Some("secret")));
    assert_eq!(config.allow_origin, ["https://a.example", "http://b.example:3000"]);
    assert_eq!((config.static_dir, config.log.as_str()), (Some("static".into()), "debug"));
    assert_eq!(config.trace, Some("t.json".into()));
}

#[test]
fn one_port_number_serves_for_both_unless_udp_is_given() {
    assert_eq!(config(&["--http", "9000"]).udp, 9000);
    assert_eq!(config(&["--http", "127.0.0.1:9000"]).udp, 9000);
    assert_eq!(config(&["--udp", "7000", "--http", "9000"]).udp, 7000);
    assert_eq!(config(&["--http", "0"]).udp, 0);
}

#[test]
fn the_last_of_two_equal_options_counts() {
    assert_eq!(config(&["--fps", "15", "--fps", "60"]).source.fps, 60);
}

#[test]
fn a_command_with_spaces_stays_whole() {
    let config = config(&["--source", "pipe:rpicam-vid -t 0 -o -"]);
    assert_eq!(config.source.choice, Choice::Command("rpicam-vid -t 0 -o -".into()));
}

#[test]
fn help_and_version_are_found_among_other_options() {
    assert!(matches!(typed(&["--fps", "15", "--help"]), Ok(Command::Help)));
    assert!(matches!(typed(&["-h"]), Ok(Command::Help)));
    assert!(matches!(typed(&["--version"]), Ok(Command::Version)));
    assert!(matches!(typed(&["-V"]), Ok(Command::Version)));
}

/// What is typed, and the sentence it earns.
const REFUSED: &[(&[&str], &str)] = &[
    (&["--fps", "500"], "--fps 500: not between 1 and 120"),
    (&["--fps", "29.97"], "--fps 29.97: not a whole number between 1 and 120"),
    (&["--fps"], "--fps: a value is missing (frames per second, such as 30)"),
    (&["--fps", ""], "--fps \"\": not a whole number between 1 and 120"),
    (&["--bitrate", "fast"], "--bitrate fast: not a bitrate in bits per second such as 2M, 1500k or 2000000"),
    (&["--bitrate=100M"], "--bitrate 100M: not between 50k and 25M (bits per second)"),
    (&["--camera", "hflip=left"], "--camera hflip=left: hflip is on or off, or the key alone for on"),
    (
        &["--camera", "zoom=2"],
        "--camera zoom: there is no such key; it is exposure, awb, rotation, hflip, vflip or profile",
    ),
    (&["--camera"], "--camera: a value is missing (KEY=VALUE,.. such as exposure=5ms,rotation=180,hflip)"),
    (&["--max-viewers", "0"], "--max-viewers 0: not between 1 and 100"),
    (&["--udp", "70000"], "--udp 70000: not a port, 0 to 65535; 0 takes any free one"),
    (
        &["--http", "192.168.0.5"],
        "--http 192.168.0.5: not an address (PORT, IP:PORT or [IPv6]:PORT, such as 8080 or 127.0.0.1:8080)",
    ),
    (&["--playout-delay", "100-0"], "--playout-delay 100-0: the smaller number goes first: 0-100"),
    (
        &["--playout-delay", "5-10"],
        "--playout-delay 5-10: not MIN-MAX in milliseconds such as 0-0 or 0-100, each 0 to 40950 in steps of 10, or off",
    ),
    (
        &["--allow-origin", "https://a.example/x"],
        "--allow-origin https://a.example/x: an origin has no path: say https://a.example",
    ),
    (&["--token", ""], "--token: is empty and would let everybody in; give a secret, or leave it out to run without"),
    (
        &["--static-dir", "nowhere"],
        "--static-dir nowhere: holds no index.html that can be read; name the folder with the page, e.g. static",
    ),
    (&["--trace", ""], "--trace \"\": name a file, such as trace.json"),
    (&["--trace"], "--trace: a value is missing (a file to write, such as trace.json)"),
    (
        &["--log", "inof"],
        "--log inof: not a log level (error, warn, info, debug, trace or off, or a filter such as info,windshield::link=debug)",
    ),
    (&["--bitrat", "2M"], "--bitrat: no such option; did you mean --bitrate?"),
    (&["--daemonize"], "--daemonize: no such option (--help lists them all)"),
    (&["-p", "80"], "-p: no such option (short ones: -h, -V)"),
    (&["drive.h264"], "drive.h264: belongs to no option; to play a clip: --source clip:drive.h264"),
    (&["demo"], "demo: belongs to no option (--help lists them all)"),
    (&["--", "--fps"], "--fps: belongs to no option (--help lists them all)"),
];

#[test]
fn every_refusal_names_option_value_and_what_would_be_right() {
    for (words, sentence) in REFUSED {
        assert_eq!(typed(words).unwrap_err().to_string(), *sentence, "{words:?}");
    }
}

#[test]
fn what_the_video_slice_refuses_names_its_option_once() {
    for words in [["--source", "camera9"], ["--source", "clip:"], ["--source", ""], ["--size", "640"], ["--size", "x"]]
    {
        let sentence = typed(&words).unwrap_err().to_string();
        assert!(sentence.starts_with(words[0]), "{sentence}");
    }
}

#[test]
fn every_option_says_what_belongs_behind_it() {
    for option in OPTIONS.iter().filter(|option| !["help", "version"].contains(option)) {
        let sentence = typed(&[&format!("--{option}")]).unwrap_err().to_string();
        assert!(sentence.starts_with(&format!("--{option}: a value is missing (")), "{sentence}");
    }
}

#[test]
fn control_characters_and_broken_utf8_cannot_spoil_the_sentence() {
    use std::os::unix::ffi::OsStringExt;
    let sentence = typed(&["--fps", "3\n0\u{1b}[31m"]).unwrap_err().to_string();
    assert_eq!(sentence, "--fps \"3\\n0\\u{1b}[31m\": not a whole number between 1 and 120");
    for words in [
        vec![b"--fps".to_vec(), vec![0xff]],
        vec![vec![0xff]],
        vec![b"--\xff".to_vec()],
        vec![b"--token".to_vec(), vec![0xff]],
    ] {
        let words = words.into_iter().map(OsString::from_vec);
        assert!(parse(words, |_| None, |_| false).is_err());
    }
}

#[test]
fn a_page_folder_may_have_any_name_the_system_allows() {
    use std::os::unix::ffi::OsStringExt;
    let words = [OsString::from("--static-dir"), OsString::from_vec(vec![0xff])];
    let config = run(parse(words, |_| None, |_| true));
    assert_eq!(config.static_dir, Some(OsString::from_vec(vec![0xff]).into()));
}

#[test]
fn the_token_may_come_from_the_environment_and_the_option_wins() {
    let env = |name: &str| (name == TOKEN_VARIABLE).then(|| "from-env".into());
    let none: [OsString; 0] = [];
    assert_eq!(run(parse(none, env, |_| false)).token.as_deref(), Some("from-env"));
    assert_eq!(run(parse(["--token".into(), "typed".into()], env, |_| false)).token.as_deref(), Some("typed"));
    let empty = |name: &str| (name == TOKEN_VARIABLE).then(OsString::new);
    let none: [OsString; 0] = [];
    let sentence = parse(none, empty, |_| false).unwrap_err().to_string();
    assert!(sentence.starts_with("WINDSHIELD_TOKEN: is empty"), "{sentence}");
}

#[test]
fn the_token_is_never_shown() {
    let shown = format!("{:?}", config(&["--token", "hunter2"]));
    assert!(shown.contains("hidden") && !shown.contains("hunter2"), "{shown}");
    let refused = typed(&["--token", "hunter 2"]).unwrap_err().to_string();
    assert!(!refused.contains("hunter"), "{refused}");
}

#[test]
fn rust_log_counts_where_no_log_option_is_given() {
    let env = |value: &'static str| move |name: &str| (name == LOG_VARIABLE).then(|| value.into());
    let log = |words: &[&str], value| run(parse(words.iter().map(OsString::from), env(value), |_| false)).log;
    assert_eq!(log(&[], "windshield=trace"), "windshield=trace");
    assert_eq!(log(&["--log", "warn"], "trace"), "warn");
    assert_eq!(log(&[], ""), "info");
}
