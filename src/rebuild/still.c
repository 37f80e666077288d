/* Stops the wall clock at STILL, in seconds since 1970, for programs that ask the C library, and shows
 * every file that was written since this library was made as if it had been written then.
 *
 * Compiled inside the sandbox by the environment's own compiler and preloaded into a build whose clock is
 * one of its inputs. The monotonic clock and the kernel's own file times stay as they are. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>

/* The next definition of a function after this library's. */
#define NEXT(name, type) ((type)dlsym(RTLD_NEXT, name))

typedef int stat_path(const char *, struct stat64 *);
typedef int stat_file(int, struct stat64 *);
typedef int stat_at(int, const char *, struct stat64 *, int);
typedef int stat_x(int, const char *, int, unsigned, struct statx *);

/* When the build began: the time of this library's own file. */
static time_t since;

__attribute__((constructor)) static void begin(void)
{
    struct stat64 own;
    stat_path *next = NEXT("stat64", stat_path *);
    if (next && next(OWN, &own) == 0)
        since = own.st_mtim.tv_sec;
}

static void show(struct timespec *written)
{
    if (since && written->tv_sec >= since) {
        written->tv_sec = STILL;
        written->tv_nsec = 0;
    }
}

static int shown(int result, struct stat64 *found)
{
    if (result == 0) {
        show(&found->st_atim);
        show(&found->st_mtim);
        show(&found->st_ctim);
    }
    return result;
}

int stat64(const char *path, struct stat64 *found)
{
    return shown(NEXT("stat64", stat_path *)(path, found), found);
}

int lstat64(const char *path, struct stat64 *found)
{
    return shown(NEXT("lstat64", stat_path *)(path, found), found);
}

int fstat64(int file, struct stat64 *found)
{
    return shown(NEXT("fstat64", stat_file *)(file, found), found);
}

int fstatat64(int folder, const char *path, struct stat64 *found, int flags)
{
    return shown(NEXT("fstatat64", stat_at *)(folder, path, found, flags), found);
}

/* The same layout where files' lengths have 64 bits anyway. */
_Static_assert(sizeof(struct stat) == sizeof(struct stat64), "stat and stat64 differ");

int stat(const char *path, struct stat *found)
{
    return stat64(path, (struct stat64 *)found);
}

int lstat(const char *path, struct stat *found)
{
    return lstat64(path, (struct stat64 *)found);
}

int fstat(int file, struct stat *found)
{
    return fstat64(file, (struct stat64 *)found);
}

int fstatat(int folder, const char *path, struct stat *found, int flags)
{
    return fstatat64(folder, path, (struct stat64 *)found, flags);
}

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *found)
{
    int result = NEXT("statx", stat_x *)(folder, path, flags, mask, found);
    struct statx_timestamp *all[] = {
        &found->stx_atime, &found->stx_btime, &found->stx_ctime, &found->stx_mtime,
    };
    for (size_t i = 0; result == 0 && i < sizeof all / sizeof *all; i++) {
        if (since && all[i]->tv_sec >= since) {
            all[i]->tv_sec = STILL;
            all[i]->tv_nsec = 0;
        }
    }
    return result;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = NEXT("clock_gettime", int (*)(clockid_t, struct timespec *))(clock, now);
    if (result == 0 && now &&
        (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI)) {
        now->tv_sec = STILL;
        now->tv_nsec = 0;
    }
    return result;
}

time_t time(time_t *out)
{
    if (out)
        *out = STILL;
    return STILL;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    (void)zone;
    if (out) {
        out->tv_sec = STILL;
        out->tv_usec = 0;
    }
    return 0;
}

int timespec_get(struct timespec *out, int base)
{
    return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, out) == 0 ? base : 0;
}
