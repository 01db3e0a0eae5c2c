#include "core/log.h"
#include "core/phase.h"
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static enum log_level threshold = LOG_INFO;
static bool progress_shown;        /* the cursor stands behind a progress line */
static int holding;                /* pairs of log_hold and log_release that are open */
static char held[LOG_HOLDS][2048]; /* the first error since each log_hold */

void log_set_level(enum log_level level) {
    threshold = level;
}

enum log_level log_get_level(void) {
    return threshold;
}

/* What comes from a file or a command line neither breaks the line nor drives the terminal. */
static void tame(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7F)
            *text = '?';
}

/* The line is written by one call, so that lines of several ranks do not interleave. */
LOG_FORMAT(3, 0)
static void print(enum log_level level, const char *prefix, const char *format, va_list args) {
    char text[2048], line[2112];
    if (level > threshold)
        return;
    vsnprintf(text, sizeof text, format, args);
    tame(text);
    snprintf(line, sizeof line, "%scdsr: %s%s\n", progress_shown ? "\r\033[K" : "", prefix, text);
    progress_shown = false;
    fputs(line, stderr);
    fflush(stderr);
}

#define PRINT(level, prefix)                                                                       \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        print(level, prefix, format, args);                                                        \
        va_end(args);                                                                              \
    } while (0)

/* Errors to which the caller has an answer. */
LOG_FORMAT(1, 0)
static void keep(const char *format, va_list args) {
    char *text = held[holding - 1];
    if (!text[0])
        vsnprintf(text, sizeof held[0], format, args);
}

enum status log_verror(enum status status, const char *format, va_list args) {
    if (holding)
        keep(format, args);
    else
        print(LOG_ERROR, "error: ", format, args);
    return status;
}

enum status log_error(enum status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_verror(status, format, args);
    va_end(args);
    return status;
}

void log_hold(void) {
    held[holding++][0] = '\0';
}

const char *log_release(void) {
    return held[--holding];
}

bool log_is_held(void) {
    return holding > 0;
}

void log_warn(const char *format, ...) {
    PRINT(LOG_WARN, "warning: ");
}

void log_info(const char *format, ...) {
    PRINT(LOG_INFO, "");
}

bool log_shows_progress(void) {
    return threshold >= LOG_INFO && isatty(STDERR_FILENO);
}

/* Columns of the terminal but the last one, where the cursor stands. */
static int width(void) {
    struct winsize size;
    bool known = !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col > 1;
    return (known ? size.ws_col : 80) - 1;
}

void log_progress(const char *format, ...) {
    static double shown_at;
    char text[512];
    double now = phase_clock();
    va_list args;
    if (now - shown_at < 0.2 || !log_shows_progress())
        return;
    shown_at = now;
    progress_shown = true;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tame(text);
    fprintf(stderr, "\r\033[K%.*s", width(), text);
    fflush(stderr);
}

void log_progress_end(void) {
    if (progress_shown)
        fputs("\r\033[K", stderr);
    progress_shown = false;
}

void log_debug(const char *format, ...) {
    PRINT(LOG_DEBUG, "");
}
