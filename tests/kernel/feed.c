// Feeds a v4l2loopback node the way a camera delivers H.264: one access unit a buffer, at an exact pace, over and over.
// Written against the kernel's own header, so that it shares nothing with what it tests. Started in the guest by the
// scripts in tests/kernel/guest.
//
//   feed DEVICE CLIP.h264 WIDTH HEIGHT FPS [TIMES]     TIMES: how often the clip is played (0: until killed)
//
// Prints a line for each access unit written: its offset in the clip, its bytes, and the fingerprint by which
// tools/viewer knows a picture (FNV-1a, 64 bits, over the last NAL unit).
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void fail(const char *what) { fprintf(stderr, "feed: %s: %s\n", what, strerror(errno)); exit(1); }

static unsigned char *clip;
static long size;

// The next start code (00 00 01) at or after `at`; `size` when there is none.
static long start_code(long at) {
    for (; at + 3 < size; at++) if (!clip[at] && !clip[at + 1] && clip[at + 2] == 1) return at;
    return size;
}

// Where the access unit that begins at `at` ends: before the first NAL unit that opens another one, that is a delimiter,
// parameter sets, SEI, or a slice with first_mb_in_slice 0, once a slice has been seen (ITU-T H.264, 7.4.1.2.3).
static long unit_end(long at) {
    int slice = 0;
    for (long nal = start_code(at); nal < size; nal = start_code(nal + 3)) {
        int type = clip[nal + 3] & 31, picture = type == 1 || type == 5;
        if (slice && (!picture ? type >= 6 && type <= 9 : nal + 4 < size && clip[nal + 4] & 0x80))
            return nal > 0 && !clip[nal - 1] ? nal - 1 : nal; // the zero byte of a long start code
        slice |= picture;
    }
    return size;
}

static unsigned long long fingerprint(long at, long end) {
    long last = at;
    for (long nal = start_code(at); nal + 3 < end; nal = start_code(nal + 3)) last = nal + 3;
    unsigned long long hash = 0xcbf29ce484222325;
    for (; last < end; last++) hash = (hash ^ clip[last]) * 0x100000001b3;
    return hash;
}

int main(int argc, char **argv) {
    if (argc < 6) { fprintf(stderr, "feed DEVICE CLIP.h264 WIDTH HEIGHT FPS [TIMES]\n"); return 2; }
    int fps = atoi(argv[5]), times = argc > 6 ? atoi(argv[6]) : 0;
    FILE *file = fopen(argv[2], "rb");
    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) <= 0) fail(argv[2]);
    rewind(file);
    clip = malloc(size);
    if (!clip || fread(clip, 1, size, file) != (size_t)size) fail(argv[2]);

    int device = open(argv[1], O_RDWR);
    if (device < 0) fail(argv[1]);
    struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_OUTPUT};
    format.fmt.pix.width = atoi(argv[3]);
    format.fmt.pix.height = atoi(argv[4]);
    format.fmt.pix.pixelformat = V4L2_PIX_FMT_H264;
    format.fmt.pix.field = V4L2_FIELD_NONE;
    if (ioctl(device, VIDIOC_S_FMT, &format)) fail("VIDIOC_S_FMT");
    if (format.fmt.pix.pixelformat != V4L2_PIX_FMT_H264) { fprintf(stderr, "feed: no H.264 on %s\n", argv[1]); return 1; }
    struct v4l2_streamparm rate = {.type = V4L2_BUF_TYPE_VIDEO_OUTPUT};
    rate.parm.output.timeperframe.numerator = 1;
    rate.parm.output.timeperframe.denominator = fps;
    if (ioctl(device, VIDIOC_S_PARM, &rate)) fail("VIDIOC_S_PARM");

    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    struct itimerspec pace = {{0, 1000000000 / fps}, {0, 1}};
    if (timer < 0 || timerfd_settime(timer, 0, &pace, NULL)) fail("timerfd");
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int n = 0; !times || n < times; n++)
        for (long at = 0, end; at < size; at = end) {
            unsigned long long ticks;
            if (read(timer, &ticks, sizeof ticks) != sizeof ticks) fail("timerfd");
            end = unit_end(at);
            if (write(device, clip + at, end - at) != end - at) fail("write");
            printf("%ld %ld %016llx\n", at, end - at, fingerprint(at, end));
        }
    return 0;
}
