// Streams from a capture node with mmapped buffers and edge-triggered epoll and says what came: the check that the
// guest's kernel and clock are sound, before anything of ours runs on them. Started by scripts in tests/kernel/guest.
//
//   stream DEVICE WIDTH HEIGHT FPS FRAMES [OUT]     prints frames, sequence numbers missed, and the time between the
//                                                   first and the last stamp in microseconds; fails unless all came;
//                                                   WIDTH 0: takes the format as it is; OUT gets the frames' bytes
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
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
    if (argc < 6) { fprintf(stderr, "stream DEVICE WIDTH HEIGHT FPS FRAMES [OUT]\n"); return 2; }
    enum v4l2_buf_type type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    int frames = atoi(argv[5]);
    if ((device = open(argv[1], O_RDWR | O_NONBLOCK)) < 0) fail(argv[1]);
    FILE *out = argc > 6 ? fopen(argv[6], "wb") : NULL;
    if (argc > 6 && !out) fail(argv[6]);
    if (atoi(argv[2])) {
        struct v4l2_format format = {.type = type};
        CALL(VIDIOC_G_FMT, &format);
        format.fmt.pix.width = atoi(argv[2]);
        format.fmt.pix.height = atoi(argv[3]);
        CALL(VIDIOC_S_FMT, &format);
        struct v4l2_streamparm rate = {.type = type};
        rate.parm.capture.timeperframe.numerator = 1;
        rate.parm.capture.timeperframe.denominator = atoi(argv[4]);
        CALL(VIDIOC_S_PARM, &rate);
    }
    void *memory[8] = {0};
    struct v4l2_requestbuffers wish = {.count = 4, .type = type, .memory = V4L2_MEMORY_MMAP};
    CALL(VIDIOC_REQBUFS, &wish);
    for (unsigned i = 0; i < wish.count; i++) {
        struct v4l2_buffer buffer = {.index = i, .type = type, .memory = V4L2_MEMORY_MMAP};
        CALL(VIDIOC_QUERYBUF, &buffer);
        memory[i] = mmap(NULL, buffer.length, PROT_READ, MAP_SHARED, device, buffer.m.offset);
        if (memory[i] == MAP_FAILED) fail("mmap");
        CALL(VIDIOC_QBUF, &buffer);
    }
    CALL(VIDIOC_STREAMON, &type);
    struct epoll_event readable = {.events = EPOLLIN | EPOLLET};
    int ready = epoll_create1(0);
    if (epoll_ctl(ready, EPOLL_CTL_ADD, device, &readable)) fail("epoll_ctl");
    long long first = 0, last = 0;
    unsigned missed = 0, expected = 0;
    // The first frame does not count: v4l2loopback may hand out a buffer that nobody has filled.
    for (int n = -1; n < frames;) {
        struct v4l2_buffer buffer = {.type = type, .memory = V4L2_MEMORY_MMAP};
        if (ioctl(device, VIDIOC_DQBUF, &buffer)) {
            if (errno != EAGAIN) fail("VIDIOC_DQBUF");
            if (epoll_wait(ready, &readable, 1, 5000) == 1) continue;
            fprintf(stderr, "stream: no frame %d for 5 s\n", n);
            return 1;
        }
        last = buffer.timestamp.tv_sec * 1000000LL + buffer.timestamp.tv_usec;
        if (n == 0) first = last;
        if (n > 0) missed += buffer.sequence - expected;
        expected = buffer.sequence + 1;
        if (n++ >= 0 && out && fwrite(memory[buffer.index], 1, buffer.bytesused, out) != buffer.bytesused) fail("write");
        CALL(VIDIOC_QBUF, &buffer);
    }
    if (out && fclose(out)) fail("write");
    printf("%d frames, %u missed, %lld us\n", frames, missed, last - first);
    return 0;
}
