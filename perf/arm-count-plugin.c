// Plugin of qemu-arm (API 1, qemu 7.2 and later): how often each block of guest instructions ran, by phase, and by thread:
// the first one (windshield's loop) apart from all others. perf/arm-count compiles it, loads it and reads its table.
//
//   -plugin ./plugin.so,control=FIFO,out=FILE
//
// The FIFO takes lines: "phase 0" to "phase 7" (what runs from now on counts there), "dump" (writes FILE).
// Counters of one block that two threads run in the same moment can lose a step; the loop's own are exact.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is used of qemu-plugin.h, which Debian does not package.
typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, void (*)(unsigned, void *), enum qemu_plugin_cb_flags, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
int qemu_plugin_version = 1;

#define PHASES 8
struct block {
    uint64_t address, instructions, runs[PHASES][2]; // [0] the first thread's, [1] all others'
    struct block *next;
};
static struct block *blocks[1 << 16];
static volatile int phase;
static char control[512], out[512];

static void ran(unsigned cpu, void *block) { ((struct block *)block)->runs[phase][cpu != 0]++; }

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id; // qemu translates under a lock, and a block again when its cache was emptied
    uint64_t address = qemu_plugin_tb_vaddr(tb), instructions = qemu_plugin_tb_n_insns(tb);
    struct block **head = &blocks[(address ^ instructions << 7) & 0xffff], *b;
    for (b = *head; b; b = b->next)
        if (b->address == address && b->instructions == instructions) break;
    if (!b) {
        b = calloc(1, sizeof *b);
        if (!b) abort();
        *b = (struct block){.address = address, .instructions = instructions, .next = *head};
        *head = b;
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, ran, QEMU_PLUGIN_CB_NO_REGS, b);
}

static void dump(void) {
    char new[600];
    snprintf(new, sizeof new, "%s.new", out);
    FILE *f = fopen(new, "w");
    if (!f) return;
    for (int h = 0; h < 1 << 16; h++)
        for (struct block *b = blocks[h]; b; b = b->next) {
            fprintf(f, "%lx %lu", b->address, b->instructions);
            for (int p = 0; p < PHASES; p++) fprintf(f, " %lu %lu", b->runs[p][0], b->runs[p][1]);
            fputc('\n', f);
        }
    if (fclose(f) == 0) rename(new, out);
}

static void *obey(void *unused) {
    (void)unused;
    FILE *f = fopen(control, "r+"); // for writing too: no end of file when a writer leaves
    char line[64];
    int p;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "phase %d", &p) == 1 && p >= 0 && p < PHASES) phase = p;
        if (strncmp(line, "dump", 4) == 0) dump();
    }
    return NULL;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "control=", 8) == 0) snprintf(control, sizeof control, "%s", argv[i] + 8);
        if (strncmp(argv[i], "out=", 4) == 0) snprintf(out, sizeof out, "%s", argv[i] + 4);
    }
    // The guest's signals are not for this thread.
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, obey, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return failed;
}
