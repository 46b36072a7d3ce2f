// Streams from a capture node with mmapped buffers and says what came: the check that the guest's kernel and clock are
// sound, before anything of ours runs on them. Started in the guest by tests/kernel/guest/kernel.sh.
//
//   stream DEVICE WIDTH HEIGHT FPS FRAMES     prints frames, sequence numbers missed, and the time between the first
//                                             and the last stamp in microseconds; fails unless all frames came
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int device;
static void fail(const char *what) { fprintf(stderr, "stream: %s: %s\n", what, strerror(errno)); exit(1); }
static void call(unsigned long request, void *argument, const char *name) {
    if (ioctl(device, request, argument)) fail(name);
}
#define CALL(request, argument) call(request, argument, #request)

int main(int argc, char **argv) {
    if (argc < 6) { fprintf(stderr, "stream DEVICE WIDTH HEIGHT FPS FRAMES\n"); return 2; }
    enum v4l2_buf_type type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    int frames = atoi(argv[5]);
    if ((device = open(argv[1], O_RDWR | O_NONBLOCK)) < 0) fail(argv[1]);
    struct v4l2_format format = {.type = type};
    CALL(VIDIOC_G_FMT, &format);
    format.fmt.pix.width = atoi(argv[2]);
    format.fmt.pix.height = atoi(argv[3]);
    CALL(VIDIOC_S_FMT, &format);
    struct v4l2_streamparm rate = {.type = type};
    rate.parm.capture.timeperframe.numerator = 1;
    rate.parm.capture.timeperframe.denominator = atoi(argv[4]);
    CALL(VIDIOC_S_PARM, &rate);
    struct v4l2_requestbuffers wish = {.count = 4, .type = type, .memory = V4L2_MEMORY_MMAP};
    CALL(VIDIOC_REQBUFS, &wish);
    for (unsigned i = 0; i < wish.count; i++) {
        struct v4l2_buffer buffer = {.index = i, .type = type, .memory = V4L2_MEMORY_MMAP};
        CALL(VIDIOC_QUERYBUF, &buffer);
        if (mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, device, buffer.m.offset) == MAP_FAILED) fail("mmap");
        CALL(VIDIOC_QBUF, &buffer);
    }
    CALL(VIDIOC_STREAMON, &type);
    long long first = 0, last = 0;
    unsigned missed = 0, expected = 0;
    for (int n = 0; n < frames; n++) {
        struct pollfd readable = {.fd = device, .events = POLLIN};
        if (poll(&readable, 1, 5000) != 1) { fprintf(stderr, "stream: no frame %d for 5 s\n", n); return 1; }
        struct v4l2_buffer buffer = {.type = type, .memory = V4L2_MEMORY_MMAP};
        CALL(VIDIOC_DQBUF, &buffer);
        last = buffer.timestamp.tv_sec * 1000000LL + buffer.timestamp.tv_usec;
        if (!n) first = last; else missed += buffer.sequence - expected;
        expected = buffer.sequence + 1;
        CALL(VIDIOC_QBUF, &buffer);
    }
    printf("%d frames, %u missed, %lld us\n", frames, missed, last - first);
    return 0;
}
