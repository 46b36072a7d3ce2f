//! EDGE: a camera that delivers H.264, on v4l2loopback: the test writes the pictures.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::super::access_unit;
use super::super::super::camera::Camera;
use super::super::super::camera::health::SILENCE;
use super::super::node::{Node, zeroed};
use super::super::{H264, sys};
use super::Bench;

const LOOPBACK: &str = "/dev/video20";

/// The writing end of v4l2loopback.
struct Writer(File);

impl Writer {
    fn open() -> Self {
        let node = Node::open(Path::new(LOOPBACK)).unwrap();
        let kind = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT;
        let mut format = sys::v4l2_format { type_: kind, ..zeroed() };
        let mut pix: sys::v4l2_pix_format = zeroed();
        (pix.width, pix.height, pix.pixelformat) = (640, 360, H264.0);
        (pix.field, pix.sizeimage) = (sys::v4l2_field_V4L2_FIELD_NONE, 640 * 360);
        format.fmt.pix = pix;
        // SAFETY: S_FMT reads and fills a v4l2_format.
        unsafe { node.call(v4l::v4l2::vidioc::VIDIOC_S_FMT, &mut format).unwrap() };
        // The same device by another descriptor would be another writer.
        Self(node.into_file())
    }

    fn write(&mut self, unit: &[u8]) {
        assert_eq!(self.0.write(unit).unwrap(), unit.len());
    }
}

fn clip() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let file = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "h264")).unwrap();
    let stream = std::fs::read(file).unwrap();
    let cut = access_unit::cut(&stream);
    cut.units.iter().map(|unit| stream[unit.range.clone()].to_vec()).collect()
}

#[test]
#[ignore = "needs the kernel's test drivers: tests/kernel/run"]
fn access_units_arrive_byte_for_byte_and_a_starved_camera_recovers() {
    let units = clip();
    let mut bench = Bench::new();
    let mut writer = Writer::open();
    // The first frame after REQBUFS is of full length whatever was written: it is not looked at.
    writer.write(&units[0]);
    let mut camera: Camera = bench.feed(LOOPBACK.into());
    assert_eq!(camera.stats().sentence, "", "{}", camera.describe());
    assert!(camera.describe().contains("H264 640x360"), "{}", camera.describe());
    let mut arrived: Vec<Vec<u8>> = Vec::new();
    let lend = |camera: &mut Camera, arrived: &mut Vec<Vec<u8>>| {
        let mut lent = 0;
        while camera.lend(Instant::now(), &mut |frame| arrived.push(frame.bytes.to_vec())) {
            lent += 1;
        }
        lent > 0
    };
    let flush = Instant::now() + Duration::from_millis(100);
    bench.run(&mut camera, |camera| lend(camera, &mut arrived) || Instant::now() >= flush).unwrap();
    for round in 0..2 {
        arrived.clear();
        for unit in &units {
            writer.write(unit);
            bench
                .run(&mut camera, |camera| lend(camera, &mut arrived))
                .unwrap_or_else(|| panic!("round {round}, frame {} did not come: {:?}", arrived.len(), camera.stats()));
        }
        assert_eq!(arrived.len(), units.len());
        assert!(arrived == units, "byte for byte");
        // Nothing more is written: the camera is starved, which is told after a second.
        let stopped = Instant::now();
        bench.run(&mut camera, |camera| camera.notice().is_some()).unwrap();
        assert!(stopped.elapsed() >= SILENCE - Duration::from_millis(100), "{:?}", stopped.elapsed());
        assert!(camera.stats().sentence.contains("no picture for a second"), "{:?}", camera.notice());
        bench.run(&mut camera, |camera| !camera.more()).unwrap();
        // And over as soon as there is a picture; the first after a new start does not count, see above.
        writer.write(&units[0]);
        bench
            .run(&mut camera, |camera| {
                lend(camera, &mut arrived);
                camera.notice().is_none()
            })
            .unwrap();
    }
}
