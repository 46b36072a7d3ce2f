//! What `--help` and `--version` print: for somebody who has never seen the program, 80 columns wide. Static text;
//! `main` prints it, tests hold it against the options that `config` knows.

/// What `--version` prints.
pub const VERSION: &str = concat!("windshield ", env!("CARGO_PKG_VERSION"), "\n");

/// What `--help` prints.
pub const TEXT: &str = concat!(
    "windshield ",
    env!("CARGO_PKG_VERSION"),
    r#": a car's camera in your browser, a few milliseconds behind.
Start it, open an address that it prints, and see what the car sees.

Usage: windshield [OPTIONS]
       windshield doctor [OPTIONS]

Examples:
  windshield
      The camera it finds; without one a drawn driving scene.
  windshield --source rpicam --camera exposure=5ms,rotation=180
      The camera of a Raspberry Pi, mounted upside down.
  windshield --source clip:drive.h264 --fps 30
      A recorded H.264 file, over and over.
  windshield doctor
      What on this machine keeps the picture from being fast, each with the fix.

Picture:
  --source SOURCE         Where pictures come from. Default: auto
                            auto          a camera that delivers H.264, else a
                                          raw camera and an encoder, else
                                          rpicam-vid, else the demo
                            v4l2:DEVICE   a camera that delivers H.264
                            encoder:CAMERA,ENCODER
                                          a raw camera and a V4L2 encoder
                            rpicam        rpicam-vid, as its child
                            demo          a drawn driving scene
                            clip:FILE     a raw H.264 file (Annex B), looped
                            pipe:COMMAND  H.264 from a command's output, run by
                                          sh; restarted when it ends
                            pipe:-        H.264 from standard input
  --size WIDTHxHEIGHT     Picture size of camera and demo. Default: 640x480
  --fps N                 Frames per second of camera, demo and clip, 1 to 120.
                          Default: 30
  --bitrate N             Bits per second of camera and demo, 50k to 25M: 2M,
                          1500k, 2000000. Default: 2M
  --camera KEY=VALUE,..   How the camera is set; what is left out stays as its
                          driver has it. Not for demo, clip and pipe.
                            exposure=5ms  the longest that the automatic may
                                          take (10us to 1s); fixed:5ms is
                                          exactly that; or auto
                            awb=WORD      white balance: auto, incandescent,
                                          fluorescent, horizon, daylight,
                                          flash, cloudy, shade
                            rotation=180  clockwise: 0, 90, 180, 270
                            hflip, vflip  mirrored; or hflip=on, hflip=off
                            profile=WORD  of H.264: constrained-baseline (the
                                          default), baseline, main, high
                          All but profile can be changed while it runs: see
                          PATCH /camera in the README.

Network:
  --http ADDRESS          Where page and signaling are served: PORT, IP:PORT or
                          [IPv6]:PORT. Default: 8080, on all addresses.
                          127.0.0.1:8080 serves this machine only.
  --udp PORT              Where the picture leaves. Default: the port of --http
  --playout-delay MIN-MAX How long the browser may hold a picture back, in
                          milliseconds, or off to leave it to the browser.
                          More than 0-0 is smoother on a bad network, and
                          later. Default: 0-0
  --max-viewers N         How many may watch at a time, 1 to 100. Default: 8

Who may watch:
  --token TEXT            A secret that viewers must know. Everyone on this
                          machine can read arguments; to hide it, put it into
                          the environment variable WINDSHIELD_TOKEN instead.
                          Default: none, everyone who reaches the port
  --allow-origin ORIGIN   Web pages from elsewhere that may show the picture,
                          such as https://my.example, or * for all. May be
                          given more than once. Default: our own page only

Other:
  --static-dir DIR        Serve the page from this folder instead of the one
                          built in, to work on it.
  --trace FILE            Keep the times of the last 4096 frames (all viewers
                          together), and write them when the program ends and
                          on SIGUSR1, for ui.perfetto.dev: which frame was
                          late, and where
  --log LEVEL             error, warn, info, debug, trace or off, or a filter
                          such as info,windshield::link=debug.
                          Default: RUST_LOG, else info
  -h, --help              This text
  -V, --version           The version

Ports: TCP 8080 for page and signaling, UDP 8080 for the picture. A firewall
must let both in. From outside the car's network use a VPN, or forward both
ports in its router and open the page by the router's address in numbers. Page
and signaling travel as plain HTTP; the picture is always encrypted.

Exit codes:
  0         ended by Ctrl-C or SIGTERM; also --help and --version
  1         could not start, or could not go on; the reason is on stderr
  2         wrong command line; the reason is on stderr
  101, 134  a bug: the program stopped itself; please report what it printed
"#
);

/// What `windshield doctor --help` prints.
pub const DOCTOR: &str = r#"windshield doctor: looks for what keeps the picture from being fast, and says
how to mend it. Changes nothing. As root it sees more: sudo windshield doctor

Usage: windshield doctor [OPTIONS]

  --port PORT     The port that windshield uses or will use. Default: 8080
  --peer IP       A machine in the same network, such as the one you drive from:
                  can it be reached?
  --udp IP:PORT   How long datagrams take to that machine and back. Start this
                  there first: windshield doctor --echo PORT
  --echo PORT     Be the other side of --udp until Ctrl-C; examines nothing
  -h, --help      This text

What it looks at: the board, its kernel, clock, power, memory and ports; each
camera, its driver, H.264 and controls, with the lines of config.txt to change;
Wi-Fi power save, rate, signal and country; the way to a peer.

Exit codes:
  0   nothing is at fault; there may be something to look at
  1   something is at fault; or --echo could not start
  2   wrong command line; the reason is on stderr
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OPTIONS;

    #[test]
    fn help_describes_every_option_once_and_no_other() {
        let described = |line: &str| -> Option<String> {
            let line = line.trim_start().trim_start_matches("-h, ").trim_start_matches("-V, ");
            line.strip_prefix("--")?.split_whitespace().next().map(String::from)
        };
        let mut described: Vec<String> = TEXT.lines().filter_map(described).collect();
        described.sort();
        let mut options = OPTIONS;
        options.sort();
        assert_eq!(described, options);
    }

    #[test]
    fn help_fits_eighty_columns_of_any_terminal() {
        for line in TEXT.lines().chain(DOCTOR.lines()) {
            assert!(line.len() <= 80 && line.is_ascii(), "{line}");
        }
    }
}
