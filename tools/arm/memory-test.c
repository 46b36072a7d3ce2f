// Holds tools/arm/memory.S against plain loops: every length to 200 at every alignment, and that nothing beside is touched.
// tools/build-arm compiles and runs it under qemu whenever memory.S has changed.
#include <stdio.h>
#include <stdlib.h>

void *memcpy(void *to, const void *from, unsigned n);
void *memset(void *to, int byte, unsigned n);
void __aeabi_memset(void *to, unsigned n, int byte);
void __aeabi_memclr(void *to, unsigned n);

static volatile unsigned char source[512], wanted[512];
static unsigned char got[512];

static void check(const char *what, unsigned a, unsigned b, unsigned n) {
    for (unsigned i = 0; i < sizeof got; i++)
        if (got[i] != wanted[i]) {
            printf("%s: %u bytes to offset %u from offset %u: byte %u is %u, not %u\n", what, n, a, b, i, got[i], wanted[i]);
            exit(1);
        }
}

static void clean(void) {
    for (unsigned i = 0; i < sizeof got; i++) got[i] = wanted[i] = (unsigned char)(i * 7 + 3);
}

int main(void) {
    for (unsigned i = 0; i < sizeof source; i++) source[i] = (unsigned char)(i * 31 + i / 256 + 101);
    for (unsigned n = 0; n <= 200; n++)
        for (unsigned a = 0; a < 8; a++) {
            for (unsigned b = 0; b < 8; b++) {
                clean();
                for (unsigned i = 0; i < n; i++) wanted[64 + a + i] = source[64 + b + i];
                if (memcpy(got + 64 + a, (const void *)(source + 64 + b), n) != got + 64 + a) return 2;
                check("memcpy", a, b, n);
                if (b > a) { // to a place before, overlapping
                    clean();
                    for (unsigned i = 0; i < n; i++) wanted[64 + a + i] = wanted[64 + b + i];
                    memcpy(got + 64 + a, got + 64 + b, n);
                    check("memcpy, overlapping", a, b, n);
                }
            }
            for (int kind = 0; kind < 3; kind++) {
                clean();
                for (unsigned i = 0; i < n; i++) wanted[64 + a + i] = kind == 2 ? 0 : 0xa5;
                if (kind == 0 && memset(got + 64 + a, 0x7a5, n) != got + 64 + a) return 3;
                if (kind == 1) __aeabi_memset(got + 64 + a, n, 0x7a5);
                if (kind == 2) __aeabi_memclr(got + 64 + a, n);
                check("memset", a, kind, n);
            }
        }
    return 0;
}
